"""A generation with every default resolved and every value checked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from latentlink.checks import shown
from latentlink.engine.bundle import REMEDY, Sampling
from latentlink.errors import BundleError, UsageError
from latentlink.options import MAX_BATCH, OPTIONS, requested
from latentlink.runtime.request.checks import check, number, prompts, seeds
from latentlink.runtime.samplers import SamplerTable, Schedule, own_names, read_schedule, sampler_table

Numbers: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A generation with every value resolved; `resolve` makes it.

    A negative prompt of None is no prompt at all: its embedding is zeros. A guidance interval of None is the whole run.
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
        """Total number of pictures."""
        return len(self.prompts) * self.num_images

    def table(self) -> SamplerTable:
        """The sampler's rows for this run.

        Raises:
            UsageError: The sampler does not accept these settings.
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
    prompt: str | Sequence[str],
    options: Mapping[str, Any],
    *,
    default_strength: float | None = None,
    shallow: bool = False,
) -> Request:
    """Fill in the bundle's defaults and check every value.

    Args:
        defaults: The bundle's defaults.
        prompt: What to draw.
        options: Requested options, see `GenerateOptions`; those for inputs, guards and decoding are not read.
        default_strength: Strength if none is requested, raised where it would be less than one step; None is 1.
        shallow: Whether there is a shallow denoiser.

    Raises:
        UsageError: A value is not of its type, or out of range.
        TypeError: There is no such option.
    """
    texts = prompts("prompt", prompt)
    if not texts:
        raise UsageError("No prompt was given; expected at least one.")
    values = {**_defaults(defaults), **requested(options)}
    values = {name: check(OPTIONS[name], value) for name, value in values.items()}
    steps, strength = values["steps"], values.get("strength")
    schedule = read_schedule(defaults.schedule)
    names = own_names(
        schedule,
        sampler=values["sampler"],
        spacing=values.get("spacing"),
        sigmas=values.get("sigmas"),
        steps=steps,
    )
    if strength is None:
        strength = 1.0 if default_strength is None else max(default_strength, 1 / steps)
    batch = len(texts) * values["num_images"]
    if batch > MAX_BATCH:
        raise UsageError(f"{batch} pictures in one batch; expected at most {MAX_BATCH}.")
    return Request(
        prompts=texts,
        negative_prompts=_negatives(defaults, values.get("negative_prompt"), len(texts)),
        seed=seeds(values.get("seed", secrets.randbits(32)), batch),
        steps=steps,
        guidance=values["guidance"],
        guidance_interval=values.get("guidance_interval"),
        step_cache=values.get("step_cache", _free(defaults, steps, shallow)),
        sampler=names.sampler,
        spacing=names.spacing,
        sigmas=names.sigmas,
        shift=values.get("shift"),
        eta=values.get("eta"),
        width=_side("width", values["width"], defaults.size_multiple),
        height=_side("height", values["height"], defaults.size_multiple),
        num_images=values["num_images"],
        noise=values["noise"],
        strength=strength,
        denoising_start=values.get("denoising_start"),
        denoising_end=values.get("denoising_end"),
        conditions=_conditions(defaults, values.get("conditions", {})),
        schedule=schedule,
    )


def check_sampling(defaults: Sampling) -> None:
    """Check that a bundle's own settings make a run.

    The format gives a training schedule no meaning; the samplers do. Checked when a bundle is opened, so that what is
    wrong with the bundle is not reported as a mistake in a request.

    Raises:
        BundleError: A constant of the schedule or a default is not one that a run can have.
    """
    try:
        resolve(defaults, "", {}).table()
    except UsageError as error:
        raise BundleError(f"manifest.json, sampling: {error.message}", remedy=REMEDY) from None


def _defaults(bundle: Sampling) -> dict[str, Any]:
    """Defaults of the options: the bundle's own, else those of the option table."""
    own = {name: getattr(bundle, name) for name in ("steps", "guidance", "sampler", "width", "height")}
    return {name: option.default for name, option in OPTIONS.items() if option.default is not None} | own


def _negatives(defaults: Sampling, requested: object, count: int) -> tuple[str | None, ...]:
    """A negative prompt for each prompt."""
    negatives: tuple[str | None, ...]
    if requested is None:
        negatives = (None if defaults.unconditional == "zeros" else "",)
    else:
        negatives = prompts("negative prompt", requested)
    if len(negatives) == 1:
        negatives *= count
    if len(negatives) != count:
        raise UsageError(f"{len(negatives)} negative prompts for {count} prompts; expected one, or one each.")
    return negatives


def _free(defaults: Sampling, steps: int, shallow: bool) -> int:
    """The step cache that was measured to be free in runs of at most `steps` steps, or 1, which caches nothing."""
    measured = defaults.step_cache
    if measured is None or not shallow or steps < measured.steps or not measured.quality.visually_lossless:
        return 1
    return measured.every


def _conditions(defaults: Sampling, requested: object) -> Mapping[str, tuple[Numbers, Numbers]]:
    """For each condition the numbers of prompts and of unconditional rows; `negative_NAME` sets only the latter."""
    if not isinstance(requested, Mapping):
        raise UsageError(f"Received {type(requested).__name__} for conditions; expected a mapping of names to numbers.")
    known = [*defaults.conditions, *(f"negative_{name}" for name in defaults.conditions)]
    read = {}
    for name, numbers in requested.items():
        if name not in known:
            raise UsageError(
                f"Unknown condition {shown(name)}; expected {'one of ' + ', '.join(known) if known else 'none'}."
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
        raise UsageError(f"The condition {name} is {shown(value)}; expected {expected}.")
    return tuple(number(f"The condition {name}", one, expected) for one in listed)


def _side(name: str, value: int, multiple: int) -> int:
    if value % multiple:
        down, up = value // multiple * multiple, -(-value // multiple) * multiple
        near = f"{down} or {up}" if down else f"{up}"
        raise UsageError(
            f"{name} {value} is not a multiple of {multiple}, which this model needs.", remedy=f"Use {near}."
        )
    return value
