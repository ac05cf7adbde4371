"""What was asked of a generation, and the same with every default resolved and every value checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latentlink.engine.manifest import Sampling
from latentlink.errors import UsageError
from latentlink.runtime.noise import NOISES
from latentlink.runtime.samplers import TrainingSchedule

MAX_BATCH = 1024
MAX_SIDE = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A generation with nothing left open; `resolve` makes it."""

    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    seed: int | tuple[int, ...]
    steps: int
    guidance: float
    sampler: str
    spacing: str | None
    sigmas: str | None
    eta: float | None
    width: int
    height: int
    num_images: int
    noise: str
    schedule: TrainingSchedule

    @property
    def batch(self) -> int:
        """Pictures in all."""
        return len(self.prompts) * self.num_images


def resolve(
    defaults: Sampling,
    *,
    prompt: str | Sequence[str],
    negative_prompt: str | Sequence[str],
    seed: int | Sequence[int],
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    spacing: str | None,
    sigmas: str | None,
    eta: float | None,
    width: int | None,
    height: int | None,
    num_images: int,
    noise: str,
) -> Request:
    """Fill in the bundle's defaults and check.

    Raises:
        UsageError: A value is out of range.
    """
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if not prompts:
        raise UsageError("No prompt was given; expected at least one.")
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
    return Request(
        prompts=prompts,
        negative_prompts=negatives,
        seed=seed,
        steps=_between("steps", defaults.steps if steps is None else steps, 1, 1000),
        guidance=chosen,
        sampler=sampler or defaults.sampler,
        spacing=spacing,
        sigmas=sigmas,
        eta=eta,
        width=_side("width", defaults.width if width is None else width, defaults.size_multiple),
        height=_side("height", defaults.height if height is None else height, defaults.size_multiple),
        num_images=num_images,
        noise=noise,
        schedule=TrainingSchedule.from_json(defaults.schedule),
    )


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
