"""The manifest's record of what `latentlink build --target auto` measured to choose a component's target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from latentlink.engine.bundle.record_checks import (
    IDENTIFIER,
    MAX_DIM,
    ManifestError,
    check_int,
    check_label,
    check_number,
    check_pattern,
    check_text,
    inside,
    list_of,
    mapping_of,
    record_of,
)

_CANDIDATE = ("target", "precision", "seconds", "psnr", "worst", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedEngine:
    """One engine that was built and compared with others.

    Args:
        target: `ort-cpu`, `openvino-cpu`, ...
        precision: What it computes in.
        seconds: Median time of one run; None if it was not timed.
        psnr: dB, on the component's probes; None if its outputs are equal to the reference, or no probe was run.
        worst: Largest difference from the reference, as a share of its largest value; None if no probe was run.
        reason: Why it was dropped; empty if it was chosen, or was only slower.
    """

    target: str
    precision: str
    seconds: float | None = None
    psnr: float | None = None
    worst: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        check_label("target", self.target)
        check_label("precision", self.precision)
        for key, least in (("seconds", 0.0), ("psnr", -1e4), ("worst", 0.0)):
            value = getattr(self, key)
            if value is not None:
                check_number(key, value, least)
        check_text("reason", self.reason)

    def to_json(self) -> dict[str, Any]:
        """The record of this engine."""
        return {key: getattr(self, key) for key in _CANDIDATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineComparison:
    """The engines that were compared for a component, on one machine.

    Args:
        on: The machine: its processor, the number of processors, its GPU.
        sizes: Sizes of the component's free dimensions in the timed runs.
        candidates: At least one engine; the fastest first, then those that were not timed.
    """

    on: str
    sizes: Mapping[str, int]
    candidates: tuple[ComparedEngine, ...]

    def __post_init__(self) -> None:
        check_text("on", self.on)
        sizes = dict(sorted(mapping_of(self.sizes, limit=32).items()))
        with inside("sizes"):
            for dim, size in sizes.items():
                check_pattern("", dim, IDENTIFIER, "the name of a free dimension", 32)
                check_int(dim, size, 1, MAX_DIM)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "candidates", tuple(list_of("candidates", self.candidates, limit=64)))
        if not self.candidates:
            raise ManifestError("candidates", "received an empty list, expected at least one value")

    def to_json(self) -> dict[str, Any]:
        """The record of this comparison."""
        return {
            "on": self.on,
            "sizes": dict(self.sizes),
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        record = record_of(value, ("on", "sizes", "candidates"))
        candidates = []
        for number, item in enumerate(list_of("candidates", record["candidates"], limit=64)):
            with inside(f"candidates[{number}]"):
                candidates.append(ComparedEngine(**record_of(item, _CANDIDATE)))
        return cls(on=record["on"], sizes=record["sizes"], candidates=tuple(candidates))
