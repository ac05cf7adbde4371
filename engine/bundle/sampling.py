"""The manifest's record of sampling: the training schedule and the model's defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self, TypeAlias

from latentlink.engine.bundle.calibration_records import LatentRange, StepCache
from latentlink.engine.bundle.record_checks import (
    check_int,
    check_label,
    check_number,
    check_pattern,
    check_text,
    each,
    inside,
    list_of,
    record_of,
    sorted_items,
    unexpected,
)
from latentlink.spaces import NAME

MAX_SIDE = 1 << 16

MAX_PIXELS = 1 << 22
"""Most pixels of the default size: a run that names no size must not take the machine's memory."""

MAX_RANGES = 64

MAX_CONDITION = 3.4e38
"""Largest number of a condition, whose port is float32."""

UNCONDITIONAL = ("empty", "zeros")

Constant: TypeAlias = str | int | float | bool | tuple[float, ...] | None
"""One constant of a training schedule."""

Condition: TypeAlias = tuple[tuple[float, ...], tuple[float, ...] | None]
"""Numbers of a condition port: for prompts, and for unconditional rows; None if these are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The training schedule, and the defaults for what the user does not choose.

    Args:
        schedule: Constants of the noise schedule that the denoiser was trained with; samplers read them.
        sampler: Name of a sampler.
        steps: Denoising steps, 1 to 10,000.
        guidance: Guidance scale, 0 to 1,000; unused by a denoiser without a guidance port.
        width: Picture width in pixels, a multiple of `size_multiple`.
        height: Picture height in pixels, a multiple of `size_multiple`.
        size_multiple: Every picture's width and height must be a multiple of this number of pixels.
        unconditional: The unconditional embedding of guidance without a negative prompt: that of the `empty` prompt,
            or `zeros`.
        conditions: Defaults by name of the denoiser's condition ports: the numbers for prompts, and those for
            unconditional rows, None if these are the same. No name begins with `negative_`, the prefix by which users
            name the latter.
        ranges: Statistics of latents by noise level, levels ascending; empty if not measured.
        step_cache: What the step cache costs in quality; None if not measured.
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
        if self.width * self.height > MAX_PIXELS:
            size = f"{self.width}x{self.height}"
            raise unexpected("width", size, f"a default size of at most {MAX_PIXELS} pixels, such as 2048x2048")
        if self.unconditional not in UNCONDITIONAL:
            raise unexpected("unconditional", self.unconditional, f"one of {', '.join(UNCONDITIONAL)}")
        with inside("conditions"):
            conditions = {key: _condition(key, value) for key, value in sorted_items(self.conditions, 32)}
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "ranges", _ranges(self.ranges))

    def training(self) -> dict[str, Any]:
        """The part of the record that belongs to the denoiser's weights, and no user chooses."""
        return {
            "schedule": {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.schedule.items()
            },
            "unconditional": self.unconditional,
            "conditions": {
                key: [None if value is None else list(value) for value in pair] for key, pair in self.conditions.items()
            },
        }

    def to_json(self) -> dict[str, Any]:
        """The record of these settings."""
        training = self.training()
        record: dict[str, Any] = {
            "schedule": training["schedule"],
            "sampler": self.sampler,
            "steps": self.steps,
            "guidance": self.guidance,
            "width": self.width,
            "height": self.height,
            "size_multiple": self.size_multiple,
            **training,
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
            check_number(key, number, -MAX_CONDITION, MAX_CONDITION)
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
