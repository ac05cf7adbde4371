"""The `sampling` record of a manifest: the training schedule and the defaults of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self, TypeAlias

from latentlink.engine.bundle.checks import (
    ManifestError,
    check_int,
    check_label,
    check_number,
    check_pattern,
    check_text,
    inside,
    list_of,
    record_of,
    unexpected,
)
from latentlink.engine.bundle.entries import each, sorted_items
from latentlink.engine.quality import Quality
from latentlink.engine.quality.gate import FIGURES, JUDGED, PREFIX
from latentlink.spaces import NAME

MAX_SIDE = 1 << 16

MAX_RANGES = 64
MAX_CHANNELS = 4096

UNCONDITIONAL = ("empty", "zeros")

Constant: TypeAlias = str | int | float | bool | tuple[float, ...] | None
"""One number, or list of numbers, of a training schedule."""

Condition: TypeAlias = tuple[tuple[float, ...], tuple[float, ...] | None]
"""Numbers of a condition port: for prompts, and for unconditional rows or None where they are the same."""

Interval: TypeAlias = tuple[float, float]
"""The least and the greatest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentRange:
    """What latents of one noise level were like, over many generations: extremes as they were measured.

    x stands for `signal*z + noise*eps` of a picture z; what is measured is x / sqrt(signal^2 + noise^2), so that
    samplers that scale x differently share the ranges.

    Args:
        level: noise / sqrt(signal^2 + noise^2), from 0, a clean latent, to 1, pure noise.
        mean: For each channel, of a picture's mean over its elements.
        std: For each channel, of a picture's deviation; none is below 0.
        rms: Of the root of a picture's mean square over all its channels; not below 0.
    """

    level: float
    mean: tuple[Interval, ...]
    std: tuple[Interval, ...]
    rms: Interval

    def __post_init__(self) -> None:
        check_number("level", self.level, 0.0, 1.0)
        object.__setattr__(self, "level", float(self.level))
        for key, least in (("mean", -math.inf), ("std", 0.0)):
            intervals = list_of(key, getattr(self, key), limit=MAX_CHANNELS)
            read = tuple(_interval(f"{key}[{number}]", value, least) for number, value in enumerate(intervals))
            object.__setattr__(self, key, read)
        object.__setattr__(self, "rms", _interval("rms", self.rms, 0.0))
        if not self.mean or len(self.std) != len(self.mean):
            raise ManifestError(
                "std", f"received {len(self.std)} channels, expected as many as mean has, {len(self.mean)}, and one"
            )

    def to_json(self) -> dict[str, Any]:
        """The record of this range."""
        return {
            "level": self.level,
            "mean": [list(pair) for pair in self.mean],
            "std": [list(pair) for pair in self.std],
            "rms": list(self.rms),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        return cls(**record_of(value, ("level", "mean", "std", "rms")))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCache:
    """What the step cache does to a model's pictures, as it was measured.

    Args:
        every: The whole denoiser ran on every so many steps, 2 to 1,000.
        steps: Of the runs, 1 to 10,000; with fewer, neighbouring steps are less alike.
        quality: Of the pictures beside those without.
    """

    every: int
    steps: int
    quality: Quality

    def __post_init__(self) -> None:
        check_int("every", self.every, 2, 1000)
        check_int("steps", self.steps, 1, 10_000)

    def to_json(self) -> dict[str, Any]:
        """The record."""
        return {"every": self.every, "steps": self.steps, **self.quality.to_parity()}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        record = record_of(value, ("every", "steps", *FIGURES), tuple(f"{PREFIX}{name}" for name in JUDGED))
        for key, item in record.items():
            if isinstance(item, str):
                check_text(key, item)
            else:
                check_number(key, item, -math.inf)
        quality = Quality.of_parity(record)
        if quality is None:
            raise ManifestError("", "received figures that are no numbers, expected those of latentlink calibrate")
        return cls(every=record["every"], steps=record["steps"], quality=quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The training schedule, and what to sample with where the user does not say.

    Args:
        schedule: Constants of the noise schedule that the denoiser was trained with; samplers read them.
        sampler: Name of a sampler.
        steps: 1 to 10,000.
        guidance: Guidance scale w, 0 to 1,000; without meaning for a denoiser that has no guidance port.
        width: Pixels, a multiple of `size_multiple`.
        height: Pixels, a multiple of `size_multiple`.
        size_multiple: What every picture's width and height must be a multiple of, in pixels.
        unconditional: What guidance compares with where no negative prompt is given: the `empty` prompt's
            embedding, or `zeros`.
        conditions: For each condition port of the denoiser, by name, the numbers to send where the user says nothing,
            and those for unconditional rows, None where they are the same. No name begins with `negative_`, with which
            users name the latter.
        ranges: What latents are like by noise level, levels rising; empty where that was not measured.
        step_cache: What the step cache does to the pictures; None where that was not measured.
    """

    schedule: Mapping[str, Constant]
    sampler: str
    steps: int
    guidance: float
    width: int
    height: int
    size_multiple: int
    unconditional: str = "empty"
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    ranges: Sequence[LatentRange] = ()
    step_cache: StepCache | None = None

    def __post_init__(self) -> None:
        with inside("schedule"):
            object.__setattr__(
                self,
                "schedule",
                {key: _constant(key, value) for key, value in sorted_items(self.schedule, 64)},
            )
        check_label("sampler", self.sampler)
        check_int("steps", self.steps, 1, 10_000)
        check_number("guidance", self.guidance, 0.0, 1000.0)
        object.__setattr__(self, "guidance", float(self.guidance))
        check_int("size_multiple", self.size_multiple, 1, MAX_SIDE)
        for key, side in (("width", self.width), ("height", self.height)):
            check_int(key, side, 1, MAX_SIDE)
            if side % self.size_multiple:
                raise unexpected(key, side, f"a multiple of size_multiple, {self.size_multiple}")
        if self.unconditional not in UNCONDITIONAL:
            raise unexpected("unconditional", self.unconditional, f"one of {', '.join(UNCONDITIONAL)}")
        with inside("conditions"):
            conditions = {key: _condition(key, value) for key, value in sorted_items(self.conditions, 32)}
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "ranges", _ranges(self.ranges))

    def to_json(self) -> dict[str, Any]:
        """The record of these settings."""
        record: dict[str, Any] = {
            "schedule": {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.schedule.items()
            },
            "sampler": self.sampler,
            "steps": self.steps,
            "guidance": self.guidance,
            "width": self.width,
            "height": self.height,
            "size_multiple": self.size_multiple,
            "unconditional": self.unconditional,
            "conditions": {
                key: [None if value is None else list(value) for value in pair] for key, pair in self.conditions.items()
            },
        }
        if self.ranges:
            record["ranges"] = [one.to_json() for one in self.ranges]
        if self.step_cache is not None:
            record["step_cache"] = self.step_cache.to_json()
        return record

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        keys = ("schedule", "sampler", "steps", "guidance", "width", "height", "size_multiple")
        record = dict(record_of(value, keys, ("unconditional", "conditions", "ranges", "step_cache")))
        if "ranges" in record:
            record["ranges"] = each("ranges", record["ranges"], LatentRange.from_json, limit=MAX_RANGES)
        if "step_cache" in record:
            with inside("step_cache"):
                record["step_cache"] = StepCache.from_json(record["step_cache"])
        return cls(**record)


def _ranges(value: object) -> tuple[LatentRange, ...]:
    ranges = tuple(list_of("ranges", value, limit=MAX_RANGES))
    for number, (one, after) in enumerate(pairwise(ranges), start=1):
        if after.level <= one.level:
            raise unexpected(f"ranges[{number}].level", after.level, f"more than the level before it, {one.level}")
        if len(after.mean) != len(one.mean):
            raise unexpected(f"ranges[{number}].mean", after.mean, f"{len(one.mean)} channels, as the first has")
    return ranges


def _interval(where: str, value: object, least: float) -> Interval:
    pair = list_of(where, value, limit=2)
    if len(pair) != 2:
        raise unexpected(where, value, "[lowest, highest]")
    for number in pair:
        check_number(where, number, least)
    low, high = float(pair[0]), float(pair[1])
    if high < low:
        raise unexpected(where, value, "[lowest, highest]")
    return low, high


def _condition(key: str, value: object) -> Condition:
    check_pattern("", key, NAME, "the name of a condition port")
    if key.startswith("negative_"):
        raise unexpected("", key, "a name that does not begin with negative_, which stands for unconditional rows")
    pair = list_of(key, value, limit=2)
    if len(pair) != 2 or pair[0] is None:
        raise unexpected(key, value, "[numbers, numbers or null]")
    read = [None if numbers is None else tuple(list_of(key, numbers, limit=64)) for numbers in pair]
    for numbers in read:
        for number in numbers or ():
            check_number(key, number, -math.inf)
    first, second = read
    if not first or (second is not None and len(second) != len(first)):
        raise unexpected(key, value, "two lists of equal length")
    return first, second


def _constant(key: str, value: object) -> Constant:
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(list_of(key, value, limit=10_000)):
            check_number(f"{key}[{number}]", item, -math.inf)
        return tuple(value)
    if isinstance(value, str):
        check_text(key, value)
    elif value is not None and not isinstance(value, bool):
        check_number(key, value, -math.inf)
    return value  # type: ignore[return-value]
