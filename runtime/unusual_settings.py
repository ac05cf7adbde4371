"""The settings of a request that its model was not made for, each found by a rule of its own.

They are what a guard names before it blames an engine. docs/guards.md has the measurements behind the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from latentlink.engine.bundle import Sampling
from latentlink.runtime.denoising.step_cache import unmeasured
from latentlink.runtime.guards import Unusual
from latentlink.runtime.guards.faults import FEW
from latentlink.runtime.request import Request
from latentlink.runtime.samplers import FlowSchedule, SamplerTable
from latentlink.runtime.text.weighting import weighted_parts

GUIDANCE = 1.4
"""Factor above the model's own guidance: with 1.47 times, karras and exponential levels of 10 steps diverge."""

ETA = 0.5
"""Amount of fresh noise above the sampler's default."""

WEIGHT = 2.0
"""Weight of words in a prompt; 0.5 to 1.5 are usual."""

AREA, ASPECT = 4.0, 4.0
"""Factor between a picture's area and the model's own, and between its sides."""

SHIFT = 2.0
"""Factor between a shift of noise levels and the model's own."""

CONDITION = 4.0
"""Factor above the largest number of a condition's defaults, or of the picture's sides if these are 0."""

STEADY_FROM: Mapping[str, int] = {"lms": 100, "pndm": 50, "deis": 30, "lcm": 1001, "tcd": 1001}
"""Steps below which a sampler may diverge at the model's own guidance, unless it is the model's own sampler. "lcm" and
"tcd" are for models that were distilled for them."""

STEADY_LEVELS_FROM: Mapping[str, int] = {"beta": 30, "exponential": 15}
"""The same for kinds of sigmas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A request, what its model was made for, and the steps that run."""

    request: Request
    model: Sampling
    steps: int


def unusual_settings(
    request: Request, model: Sampling, table: SamplerTable, *, guided: bool, weighted: bool
) -> tuple[Unusual, ...]:
    """The unusual settings of a request, the most likely cause of a fault first.

    Args:
        request: The resolved request.
        model: The model's defaults.
        table: The rows that run.
        guided: Whether the denoiser reads the guidance.
        weighted: Whether the text encoder reads weights in prompts.
    """
    run = _Run(request=request, model=model, steps=table.steps)
    rules = [*((_guidance,) if guided else ()), *((_weights,) if weighted else ()), *_RULES]
    return tuple(one for rule in rules for one in rule(run))


def _guidance(run: _Run) -> Iterator[Unusual]:
    value, own = run.request.guidance, run.model.guidance
    if value > max(GUIDANCE * own, 1.0):
        yield Unusual(setting="guidance", value=value, usual=f"the model's own is {own:g}")


def _weights(run: _Run) -> Iterator[Unusual]:
    texts = {"prompt": run.request.prompt, "negative_prompt": run.request.negative_prompt}
    for setting, text in texts.items():
        largest = max((weight for _, weight in weighted_parts(text)), default=1.0) if text else 1.0
        if largest > WEIGHT:
            yield Unusual(setting=setting, value=largest, usual="weights of words from 0.5 to 1.5 are usual")


def _steps(run: _Run) -> Iterator[Unusual]:
    request, own = run.request, run.model.steps
    few = min(own, FEW)
    if run.steps >= few:
        return
    if request.steps < few:
        yield Unusual(setting="steps", value=request.steps, usual=f"the model's own number is {own}")
    elif request.denoising_start is None and request.denoising_end is None:
        yield Unusual(setting="strength", value=request.strength, usual=f"runs {run.steps} of {request.steps} steps")
    else:
        ends = {"denoising_start": request.denoising_start, "denoising_end": request.denoising_end}
        for setting, value in ends.items():
            if value is not None:
                yield Unusual(setting=setting, value=value, usual=f"runs {run.steps} of {request.steps} steps")


def _sampler(run: _Run) -> Iterator[Unusual]:
    sampler, own = run.request.sampler, run.model.sampler
    if sampler != own and run.steps < STEADY_FROM.get(sampler, 0):
        yield Unusual(setting="sampler", value=sampler, usual=f"the model's own is {own}")


def _sigmas(run: _Run) -> Iterator[Unusual]:
    sigmas, own = run.request.sigmas, run.request.schedule.sigmas
    if sigmas is not None and sigmas != own and run.steps < STEADY_LEVELS_FROM.get(sigmas, 0):
        yield Unusual(setting="sigmas", value=sigmas, usual=f"the model's own are {own or 'evenly spaced'}")


def _eta(run: _Run) -> Iterator[Unusual]:
    if run.request.eta is not None and run.request.eta > ETA:
        yield Unusual(setting="eta", value=run.request.eta, usual="0 to 0.3 are usual")


def _shift(run: _Run) -> Iterator[Unusual]:
    request, schedule = run.request, run.request.schedule
    if request.shift is None or not isinstance(schedule, FlowSchedule):
        return
    dynamic = schedule.use_dynamic_shifting
    own = schedule.dynamic_shift(request.width, request.height) if dynamic else schedule.shift
    if not own / SHIFT <= request.shift <= own * SHIFT:
        yield Unusual(setting="shift", value=request.shift, usual=f"the model's own is {own:.3g}")


def _size(run: _Run) -> Iterator[Unusual]:
    width, height = run.request.width, run.request.height
    own = run.model.width * run.model.height
    if own / AREA <= width * height <= own * AREA and max(width, height) <= ASPECT * min(width, height):
        return
    for setting, value, side in (("width", width, run.model.width), ("height", height, run.model.height)):
        if value != side:
            yield Unusual(setting=setting, value=value, usual=f"the model's own is {side}")


def _conditions(run: _Run) -> Iterator[Unusual]:
    for name, (positive, negative) in run.request.conditions.items():
        defaults, other = run.model.conditions[name]
        own = (*defaults, *(other or ()))
        most = CONDITION * (max(map(abs, own)) or max(run.request.width, run.request.height))
        named = {name: positive} if positive == negative else {name: positive, f"negative_{name}": negative}
        for setting, numbers in named.items():
            if max(map(abs, numbers)) > most:
                usual = f"the model's own is {', '.join(f'{one:g}' for one in defaults)}"
                yield Unusual(setting=f"conditions.{setting}", value=numbers, usual=usual)


def _step_cache(run: _Run) -> Iterator[Unusual]:
    if unmeasured(run.request, run.model) is not None:
        yield Unusual(setting="step_cache", value=run.request.step_cache, usual="not measured on this model")


_RULES: Sequence[Callable[[_Run], Iterator[Unusual]]] = (
    _steps,
    _sampler,
    _sigmas,
    _eta,
    _shift,
    _size,
    _conditions,
    _step_cache,
)
