"""The manifest's records of what `latentlink calibrate` measures: ranges of latents, and the cost of the step cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from latentlink.engine.bundle.record_checks import (
    ManifestError,
    check_int,
    check_number,
    check_text,
    list_of,
    record_of,
    unexpected,
)
from latentlink.engine.quality import Quality
from latentlink.engine.quality.gate import FIGURES, JUDGEMENT, PREFIX

MAX_CHANNELS = 4096

Interval: TypeAlias = tuple[float, float]
"""Smallest and largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentRange:
    """Smallest and largest statistics of the latents of one noise level, measured over many generations.

    The latent is x = signal*z + noise*eps of a picture z. The statistics are those of x / sqrt(signal^2 + noise^2), so
    that samplers that scale x differently share them.

    Args:
        level: noise / sqrt(signal^2 + noise^2), from 0 (a clean latent) to 1 (pure noise).
        mean: By channel, the interval of a latent's mean.
        std: By channel, the interval of a latent's standard deviation; not negative.
        rms: Interval of a latent's root mean square over all channels; not negative.
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
    """What the step cache costs in quality, as measured.

    Args:
        every: The whole denoiser runs once in this many steps, 2 to 1,000.
        steps: Steps of the measured runs, 1 to 10,000; with fewer, neighbouring steps are less alike.
        quality: The pictures with the step cache, compared with those without it.
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
        record = record_of(value, ("every", "steps", *FIGURES), tuple(f"{PREFIX}{name}" for name in JUDGEMENT))
        for key, item in record.items():
            if isinstance(item, str):
                check_text(key, item)
            else:
                check_number(key, item, -math.inf)
        quality = Quality.of_parity(record)
        if quality is None:
            raise ManifestError("", "received figures that are no numbers, expected those of latentlink calibrate")
        return cls(every=record["every"], steps=record["steps"], quality=quality)


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
