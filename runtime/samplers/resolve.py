"""From a request to a sampler's table."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from math import ceil

from latentlink.runtime.samplers.flow_plan import flow_plan
from latentlink.runtime.samplers.flow_registry import FLOW_SAMPLERS
from latentlink.runtime.samplers.noise_plan import noise_plan, start_scale
from latentlink.runtime.samplers.registry import SAMPLERS
from latentlink.runtime.samplers.schedules.flow_schedule import FlowSchedule
from latentlink.runtime.samplers.schedules.refusal import one_of, refusal
from latentlink.runtime.samplers.schedules.schedule import Schedule
from latentlink.runtime.samplers.schedules.training import TrainingSchedule
from latentlink.runtime.samplers.solvers.table import CLEAN, Row, SamplerTable
from latentlink.runtime.samplers.span import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class _SamplerRun:
    """A sampler with every choice made, except the step to begin with.

    Attributes:
        rows: Makes the rows from a step on.
        calls: Calls of the denoiser per step.
        start_scale: See `SamplerTable`.
        rounds_up: See `Span.begin`.
    """

    rows: Callable[[int], list[Row]]
    calls: int
    start_scale: float
    rounds_up: bool


def sampler_table(
    sampler: str,
    training: Schedule,
    *,
    steps: int,
    spacing: str | None = None,
    sigmas: str | None = None,
    eta: float | None = None,
    shift: float | None = None,
    width: int | None = None,
    height: int | None = None,
    strength: float = 1.0,
    start: float | None = None,
    end: float | None = None,
) -> SamplerTable:
    """The table of a sampler for `steps` steps, or for the requested part of them.

    Args:
        sampler: A member of `samplers_for(training)`.
        training: The schedule that the denoiser was trained with.
        steps: Number of steps of a whole run, from 1; two-call solvers have about twice as many rows.
        spacing: "leading", "linspace" or "trailing"; None for the checkpoint's, else the sampler's default.
            Flow-matching models have none.
        sigmas: "karras", "exponential" or "beta"; None for the checkpoint's own levels.
        eta: Amount of fresh noise, 0 to 1, for samplers that have it; None for the default.
        shift: Static shift of the levels, above 0, for flow-matching models; None for the checkpoint's, which may
            depend on the picture's size.
        width: Picture width in pixels; read only if levels depend on it.
        height: Picture height in pixels; read only if levels depend on it.
        strength: Share of the steps that run, 0 to 1, counted from the end: for x that is a noisy picture.
        start: Share of the training timesteps, from 0 to below 1, that another model has done; `strength` is then
            ignored.
        end: Share of the training timesteps, above 0 to 1, after which another model takes over.

    Raises:
        UsageError: A name is unknown, a value is out of range, the combination is not possible, or no step is left.
    """
    span = Span(strength=strength, start=start, end=end)
    T = training.num_train_timesteps
    if type(steps) is not int or not 1 <= steps <= T:
        raise refusal(f"steps {steps!r}", f"a whole number from 1 to {T}", "10 to 50 are usual.")
    if isinstance(training, FlowSchedule):
        run = _flow_run(
            sampler, training, steps, spacing=spacing, sigmas=sigmas, eta=eta, shift=shift, width=width, height=height
        )
    else:
        run = _noise_run(sampler, training, steps, spacing=spacing, sigmas=sigmas, eta=eta, shift=shift)
    begin = span.begin(run.rows(0), steps=steps, calls=run.calls, T=T, rounds_up=run.rounds_up)
    whole = run.rows(begin)
    rows = span.until_end(whole, T=T)
    if not rows:
        part = "for a larger part of them"
        if start is None and end is None:
            part = f"for a strength of at least {ceil(100 / steps) / 100:g}"
        raise refusal(
            f"{steps} {'step' if steps == 1 else 'steps'} with {span}, of which none is left",
            "at least one step",
            f"Ask for more steps, or {part}.",
        )
    level_after = whole[len(rows)].level if len(rows) < len(whole) else CLEAN
    return SamplerTable.of(rows, start_scale=run.start_scale, level_after=level_after)


def samplers_for(training: Schedule) -> tuple[str, ...]:
    """Names of the samplers that fit a model with this schedule."""
    return tuple(FLOW_SAMPLERS if isinstance(training, FlowSchedule) else SAMPLERS)


def _noise_run(
    sampler: str,
    training: TrainingSchedule,
    steps: int,
    *,
    spacing: str | None,
    sigmas: str | None,
    eta: float | None,
    shift: float | None,
) -> _SamplerRun:
    named = SAMPLERS[_check_sampler(sampler, SAMPLERS, FLOW_SAMPLERS, predicts=training.prediction_type)]
    _refuse_settings(training.prediction_type, shift=shift)
    plan = noise_plan(sampler, training, steps=steps, spacing=spacing, sigmas=sigmas, eta=eta)
    return _SamplerRun(
        rows=lambda begin: named.rows(replace(plan, begin=begin)),
        calls=named.calls,
        start_scale=start_scale(sampler, training, plan, spacing),
        rounds_up=False,
    )


def _flow_run(
    sampler: str,
    training: FlowSchedule,
    steps: int,
    *,
    spacing: str | None,
    sigmas: str | None,
    eta: float | None,
    shift: float | None,
    width: int | None,
    height: int | None,
) -> _SamplerRun:
    named = FLOW_SAMPLERS[_check_sampler(sampler, FLOW_SAMPLERS, SAMPLERS, predicts="the flow")]
    _refuse_settings("the flow", spacing=spacing, eta=eta)
    plan = flow_plan(sampler, training, steps=steps, sigmas=sigmas, shift=shift, width=width, height=height)
    return _SamplerRun(
        rows=lambda begin: named.rows(replace(plan, begin=begin)),
        calls=named.calls,
        start_scale=1.0,
        rounds_up=True,
    )


def _check_sampler(sampler: object, fitting: Collection[str], others: Collection[str], *, predicts: str) -> str:
    if isinstance(sampler, str) and sampler in others and sampler not in fitting:
        raise refusal(
            f"sampler {sampler!r} with a model that predicts {predicts}",
            f"one of {', '.join(fitting)}",
            "Choose one of those, or leave sampler out for the checkpoint's own.",
        )
    return one_of(sampler, fitting, what="sampler")


def _refuse_settings(kind: str, **settings: object) -> None:
    """Refuse settings that a kind of model does not have."""
    for name, value in settings.items():
        if value is not None:
            raise refusal(f"{name} {value!r} with a model that predicts {kind}", f"no {name}", f"Leave {name} out.")
