"""A generation with every default resolved and every value checked: one request a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from latentlink.checks import shown
from latentlink.engine.bundle import REMEDY, Sampling
from latentlink.errors import BundleError, UsageError
from latentlink.options import MAX_BATCH, OPTIONS, requested
from latentlink.runtime.request.checks import check, each_picture, number, prompts, seeds
from latentlink.runtime.samplers import SamplerTable, Schedule, own_names, read_schedule, sampler_table

Numbers: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one picture was made with, every value resolved.

    A run with these values draws the same picture again, alone; only with `batch_seed` it takes the whole batch.

    Args:
        prompt: What to draw.
        negative_prompt: What guidance compares with; None is no prompt at all, whose embedding is zeros.
        seed: Seed of its noise, or of the noise of the whole batch.
        batch_seed: Whether the noise of all pictures of the call was drawn from this one seed.
        number: Number of the picture in its call, from 1.
        count: Number of pictures in the call.
        steps: Denoising steps of a whole run.
        guidance: Guidance scale.
        guidance_interval: Noise levels (low, high) between which guidance was applied; None is the whole run.
        step_cache: The whole denoiser ran on every n-th step.
        sampler: The sampler's own name.
        spacing: Spacing of the timesteps; None is the sampler's.
        sigmas: Spacing of the noise levels; None is that of the training schedule.
        shift: Shift of the noise levels of a flow-matching model; None is the model's.
        eta: Share of fresh noise; None is the sampler's.
        width: Picture width in pixels.
        height: Picture height in pixels.
        noise: Noise generator, `torch` or `philox`.
        strength: Share of the steps that ran.
        denoising_start: Share of the run that was done before; None if the run began at its beginning.
        denoising_end: Share of the run after which it stopped; None if it ran to its end.
        conditions: By name, the numbers of prompts and those of unconditional rows.
        schedule: The training schedule of the model.
    """

    prompt: str
    negative_prompt: str | None
    seed: int
    batch_seed: bool
    number: int
    count: int
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
    noise: str
    strength: float
    denoising_start: float | None
    denoising_end: float | None
    conditions: Mapping[str, tuple[Numbers, Numbers]]
    schedule: Schedule

    def __repr__(self) -> str:
        """Seed and settings; no prompt, as this may end in a log."""
        return (
            f"<Request: seed {self.seed}, {self.sampler}, {self.steps} steps, guidance {self.guidance:g}, "
            f"{self.width}x{self.height}>"
        )

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
) -> tuple[Request, ...]:
    """Fill in the bundle's defaults and check every value; the pictures of one prompt stand together.

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
    num_images = check(OPTIONS["num_images"], values.pop("num_images"))
    batch = len(texts) * num_images
    if batch > MAX_BATCH:
        raise UsageError(f"{batch} pictures in one batch; expected at most {MAX_BATCH}.")
    several = {name: each_picture(OPTIONS[name], values.pop(name), batch) for name in ("steps", "guidance", "sampler")}
    values |= {name: check(OPTIONS[name], value) for name, value in values.items() if not OPTIONS[name].several}
    negatives = _negatives(defaults, values.get("negative_prompt"), len(texts))
    batch_seed = values.pop("batch_seed")
    drawn = seeds(values.get("seed"), batch, shared=batch_seed)
    if batch_seed and len({(one["steps"], one["sampler"]) for one in _rows(several)}) > 1:
        raise UsageError(
            "batch_seed draws the noise of all pictures together, so that they run the same steps of the same sampler; "
            "received several.",
            remedy="Leave batch_seed out, which gives each picture a seed of its own.",
        )
    schedule = read_schedule(defaults.schedule)
    shared = {
        "guidance_interval": values.get("guidance_interval"),
        "shift": values.get("shift"),
        "eta": values.get("eta"),
        "width": _side("width", values["width"], defaults.size_multiple),
        "height": _side("height", values["height"], defaults.size_multiple),
        "noise": values["noise"],
        "denoising_start": values.get("denoising_start"),
        "denoising_end": values.get("denoising_end"),
        "conditions": _conditions(defaults, values.get("conditions", {})),
        "schedule": schedule,
        "batch_seed": batch_seed,
        "count": batch,
    }
    made = []
    for place, own in enumerate(_rows(several)):
        steps, strength = own["steps"], values.get("strength")
        names = own_names(
            schedule,
            sampler=own["sampler"],
            spacing=values.get("spacing"),
            sigmas=values.get("sigmas"),
            steps=steps,
        )
        if strength is None:
            strength = 1.0 if default_strength is None else max(default_strength, 1 / steps)
        made.append(
            Request(
                **shared,
                prompt=texts[place // num_images],
                negative_prompt=negatives[place // num_images],
                seed=drawn[place],
                number=place + 1,
                steps=steps,
                guidance=own["guidance"],
                step_cache=values.get("step_cache", _free(defaults, steps, shallow)),
                sampler=names.sampler,
                spacing=names.spacing,
                sigmas=names.sigmas,
                strength=strength,
            )
        )
    return tuple(made)


def _rows(several: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The values of each picture, from those of each option."""
    return [dict(zip(several, row, strict=True)) for row in zip(*several.values(), strict=True)]


def check_sampling(defaults: Sampling) -> None:
    """Check that a bundle's own settings make a run.

    The format gives a training schedule no meaning; the samplers do. Checked when a bundle is opened, so that what is
    wrong with the bundle is not reported as a mistake in a request.

    Raises:
        BundleError: A constant of the schedule or a default is not one that a run can have.
    """
    try:
        resolve(defaults, "", {})[0].table()
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
