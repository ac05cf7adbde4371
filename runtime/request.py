"""What was asked of a generation, and the same with every default resolved and every value checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from latentlink.engine.manifest import Sampling
from latentlink.errors import UsageError
from latentlink.runtime.noise import NOISES
from latentlink.runtime.samplers import Schedule, read_schedule

Numbers: TypeAlias = tuple[float, ...]

MAX_BATCH = 1024
MAX_SIDE = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A generation with nothing left open; `resolve` makes it.

    A negative prompt of None is no prompt at all: zeros in the place of its embedding.
    """

    prompts: tuple[str, ...]
    negative_prompts: tuple[str | None, ...]
    seed: int | tuple[int, ...]
    steps: int
    guidance: float
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


def resolve(
    defaults: Sampling,
    *,
    prompt: str | Sequence[str],
    negative_prompt: str | Sequence[str] | None,
    seed: int | Sequence[int],
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    spacing: str | None,
    sigmas: str | None,
    shift: float | None,
    eta: float | None,
    width: int | None,
    height: int | None,
    num_images: int,
    noise: str,
    strength: float,
    denoising_start: float | None,
    denoising_end: float | None,
    conditions: Mapping[str, Sequence[float]],
) -> Request:
    """Fill in the bundle's defaults and check.

    Raises:
        UsageError: A value is out of range.
    """
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if not prompts:
        raise UsageError("No prompt was given; expected at least one.")
    negatives: tuple[str | None, ...]
    if negative_prompt is None:
        negatives = (None if defaults.unconditional == "zeros" else "",)
    else:
        negatives = (negative_prompt,) if isinstance(negative_prompt, str) else tuple(negative_prompt)
    if len(negatives) == 1:
        negatives *= len(prompts)
    if len(negatives) != len(prompts):
        raise UsageError(f"{len(negatives)} negative prompts for {len(prompts)} prompts; expected one, or one each.")
    batch = len(prompts) * _between("num_images", num_images, 1, MAX_BATCH)
    if batch > MAX_BATCH:
        raise UsageError(f"{batch} pictures in one batch; expected at most {MAX_BATCH}.")
    if not isinstance(seed, int):
        seed = tuple(seed)
        if len(seed) != batch:
            raise UsageError(f"{len(seed)} seeds for {batch} pictures; expected one, or one a picture.")
    if noise not in NOISES:
        raise UsageError(f"Unknown noise {noise!r}; expected one of: {', '.join(NOISES)}.")
    chosen = defaults.guidance if guidance is None else float(guidance)
    if not 0 <= chosen <= 1000:
        raise UsageError(f"guidance is {chosen}; expected 0 to 1000 (1 or less turns it off).")
    for name, share in (("strength", strength), ("denoising_start", denoising_start), ("denoising_end", denoising_end)):
        if share is not None and not 0 <= share <= 1:
            raise UsageError(f"{name} is {share}; expected 0 to 1.")
    return Request(
        prompts=prompts,
        negative_prompts=negatives,
        seed=seed,
        steps=_between("steps", defaults.steps if steps is None else steps, 1, 1000),
        guidance=chosen,
        sampler=sampler or defaults.sampler,
        spacing=spacing,
        sigmas=sigmas,
        shift=shift,
        eta=eta,
        width=_side("width", defaults.width if width is None else width, defaults.size_multiple),
        height=_side("height", defaults.height if height is None else height, defaults.size_multiple),
        num_images=num_images,
        noise=noise,
        strength=float(strength),
        denoising_start=denoising_start,
        denoising_end=denoising_end,
        conditions=_conditions(defaults, conditions),
        schedule=read_schedule(defaults.schedule),
    )


def _conditions(defaults: Sampling, asked: Mapping[str, Sequence[float]]) -> Mapping[str, tuple[Numbers, Numbers]]:
    """For each condition the numbers of prompts and of unconditional rows; `negative_NAME` sets the latter alone."""
    known = [*defaults.conditions, *(f"negative_{name}" for name in defaults.conditions)]
    for name, numbers in asked.items():
        if name not in known:
            raise UsageError(
                f"Unknown condition {name!r}; expected {'one of ' + ', '.join(known) if known else 'none'}."
            )
        count = len(defaults.conditions[name.removeprefix("negative_")][0])
        if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
            raise UsageError(f"The condition {name} is {list(numbers)}; expected {count} numbers.")
    resolved = {}
    for name, (positive, negative) in defaults.conditions.items():
        for_prompts = tuple(float(n) for n in asked.get(name, positive))
        for_others = asked.get(f"negative_{name}", for_prompts if negative is None else negative)
        resolved[name] = (for_prompts, tuple(float(n) for n in for_others))
    return resolved


def _between(name: str, value: int, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise UsageError(f"{name} is {value!r}; expected a whole number from {least} to {most}.")
    return value


def _side(name: str, value: int, multiple: int) -> int:
    _between(name, value, 1, MAX_SIDE)
    if value % multiple:
        down, up = value // multiple * multiple, -(-value // multiple) * multiple
        near = f"{down} or {up}" if down else f"{up}"
        raise UsageError(
            f"{name} {value} is not a multiple of {multiple}, which this model needs.", remedy=f"Take {near}."
        )
    return value
