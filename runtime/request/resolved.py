"""What was asked of a generation, and the same with every default resolved and every value checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from latentlink.engine.bundle import Sampling
from latentlink.errors import UsageError
from latentlink.runtime.request.checks import number, prompts, seeds, whole
from latentlink.runtime.samplers import SamplerTable, Schedule, read_schedule, sampler_table
from latentlink.runtime.samplers.noise import NOISES

Numbers: TypeAlias = tuple[float, ...]

MAX_BATCH = 1024
MAX_SIDE = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A generation with nothing left open; `resolve` makes it.

    A negative prompt of None is no prompt at all: zeros in the place of its embedding. A guidance interval of None is
    all of the run.
    """

    prompts: tuple[str, ...]
    negative_prompts: tuple[str | None, ...]
    seed: int | tuple[int, ...]
    steps: int
    guidance: float
    guidance_interval: tuple[float, float] | None
    step_cache: int
    sampler: str
    spacing: str | None
    sigmas: str | None
    shift: float | None
    eta: float | None
    width: int
    height: int
    num_images: int
    noise: str
    strength: float
    denoising_start: float | None
    denoising_end: float | None
    conditions: Mapping[str, tuple[Numbers, Numbers]]
    schedule: Schedule

    @property
    def batch(self) -> int:
        """Pictures in all."""
        return len(self.prompts) * self.num_images

    def table(self) -> SamplerTable:
        """The sampler's rows for this run.

        Raises:
            UsageError: The sampler does not take these settings.
        """
        return sampler_table(
            self.sampler,
            self.schedule,
            steps=self.steps,
            spacing=self.spacing,
            sigmas=self.sigmas,
            shift=self.shift,
            eta=self.eta,
            strength=self.strength,
            start=self.denoising_start,
            end=self.denoising_end,
            width=self.width,
            height=self.height,
        )


def resolve(
    defaults: Sampling,
    *,
    prompt: str | Sequence[str],
    negative_prompt: str | Sequence[str] | None,
    seed: int | Sequence[int],
    steps: int | None,
    guidance: float | None,
    guidance_interval: Sequence[float] | None,
    step_cache: int | None,
    sampler: str | None,
    spacing: str | None,
    sigmas: str | None,
    shift: float | None,
    eta: float | None,
    width: int | None,
    height: int | None,
    num_images: int,
    noise: str,
    strength: float | None,
    denoising_start: float | None,
    denoising_end: float | None,
    conditions: Mapping[str, float | Sequence[float]],
    default_strength: float | None = None,
    shallow: bool = False,
) -> Request:
    """Fill in the bundle's defaults and check.

    Args:
        defaults: Of the bundle.
        strength: None is the default, or as much more as makes one step.
        default_strength: Of what the run starts from; None is 1.
        shallow: Whether there is a shallow denoiser.

    The others are those of `Pipeline.generate`.

    Raises:
        UsageError: A value is not of its type, or out of range.
    """
    asked = prompts("prompt", prompt)
    if not asked:
        raise UsageError("No prompt was given; expected at least one.")
    negatives: tuple[str | None, ...]
    if negative_prompt is None:
        negatives = (None if defaults.unconditional == "zeros" else "",)
    else:
        negatives = prompts("negative prompt", negative_prompt)
    if len(negatives) == 1:
        negatives *= len(asked)
    if len(negatives) != len(asked):
        raise UsageError(f"{len(negatives)} negative prompts for {len(asked)} prompts; expected one, or one each.")
    num_images = whole("num_images", num_images, 1, MAX_BATCH)
    batch = len(asked) * num_images
    if batch > MAX_BATCH:
        raise UsageError(f"{batch} pictures in one batch; expected at most {MAX_BATCH}.")
    if not isinstance(noise, str) or noise not in NOISES:
        raise UsageError(f"Unknown noise {noise!r}; expected one of: {', '.join(NOISES)}.")
    steps = whole("steps", defaults.steps if steps is None else steps, 1, 1000)
    if strength is None:
        strength = 1.0 if default_strength is None else max(default_strength, 1 / steps)
    return Request(
        prompts=asked,
        negative_prompts=negatives,
        seed=seeds(seed, batch),
        steps=steps,
        guidance=number(
            "guidance",
            defaults.guidance if guidance is None else guidance,
            "0 to 1000 (1 or less turns it off)",
            0,
            1000,
        ),
        guidance_interval=None if guidance_interval is None else _interval(guidance_interval),
        step_cache=whole("step_cache", _free(defaults, steps, shallow) if step_cache is None else step_cache, 1, 1000),
        sampler=defaults.sampler if sampler is None else sampler,
        spacing=spacing,
        sigmas=sigmas,
        shift=None if shift is None else number("shift", shift, "a number above 0"),
        eta=None if eta is None else number("eta", eta, "0 to 1"),
        width=_side("width", defaults.width if width is None else width, defaults.size_multiple),
        height=_side("height", defaults.height if height is None else height, defaults.size_multiple),
        num_images=num_images,
        noise=noise,
        strength=_share("strength", strength),
        denoising_start=None if denoising_start is None else _share("denoising_start", denoising_start),
        denoising_end=None if denoising_end is None else _share("denoising_end", denoising_end),
        conditions=_conditions(defaults, conditions),
        schedule=read_schedule(defaults.schedule),
    )


def _free(defaults: Sampling, steps: int, shallow: bool) -> int:
    """The step cache that was measured to be free in runs of at most so many steps, or 1: all is made anew."""
    measured = defaults.step_cache
    if measured is None or not shallow or steps < measured.steps or not measured.quality.free:
        return 1
    return measured.every


def _conditions(defaults: Sampling, asked: object) -> Mapping[str, tuple[Numbers, Numbers]]:
    """For each condition the numbers of prompts and of unconditional rows; `negative_NAME` sets the latter alone."""
    if not isinstance(asked, Mapping):
        raise UsageError(f"Received {type(asked).__name__} for conditions; expected a mapping of names to numbers.")
    known = [*defaults.conditions, *(f"negative_{name}" for name in defaults.conditions)]
    read = {}
    for name, numbers in asked.items():
        if name not in known:
            raise UsageError(
                f"Unknown condition {name!r}; expected {'one of ' + ', '.join(known) if known else 'none'}."
            )
        read[name] = _numbers(name, numbers, len(defaults.conditions[name.removeprefix("negative_")][0]))
    resolved = {}
    for name, (positive, negative) in defaults.conditions.items():
        for_prompts = read.get(name, tuple(map(float, positive)))
        for_others = for_prompts if negative is None else tuple(map(float, negative))
        resolved[name] = (for_prompts, read.get(f"negative_{name}", for_others))
    return resolved


def _numbers(name: str, value: object, count: int) -> Numbers:
    """The numbers of one condition; a single one needs no list."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    listed = value if isinstance(value, Sequence) else [value]
    expected = f"{count} finite {'number' if count == 1 else 'numbers'}"
    if len(listed) != count:
        raise UsageError(f"The condition {name} is {value!r}; expected {expected}.")
    return tuple(number(f"The condition {name}", one, expected) for one in listed)


def _interval(value: object) -> tuple[float, float]:
    """Two noise levels in order; the high one may be infinite."""
    expected = "two noise levels (low, high), 0 <= low < high, as ratios of noise to signal"
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(listed, str | bytes) or not isinstance(listed, Sequence) or len(listed) != 2:
        raise UsageError(f"guidance_interval is {value!r}; expected {expected}.")
    low = number("The low end of guidance_interval", listed[0], expected, 0)
    above = listed[1]
    high = math.inf if above == math.inf else number("The high end of guidance_interval", above, expected, 0)
    if not low < high:
        raise UsageError(f"guidance_interval is {low:g} to {high:g}; expected {expected}.")
    return low, high


def _share(name: str, value: object) -> float:
    return number(name, value, "0 to 1", 0, 1)


def _side(name: str, value: int, multiple: int) -> int:
    value = whole(name, value, 1, MAX_SIDE)
    if value % multiple:
        down, up = value // multiple * multiple, -(-value // multiple) * multiple
        near = f"{down} or {up}" if down else f"{up}"
        raise UsageError(
            f"{name} {value} is not a multiple of {multiple}, which this model needs.", remedy=f"Take {near}."
        )
    return value
