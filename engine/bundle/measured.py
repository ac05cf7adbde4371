"""Records of a manifest: what `latentlink build --target auto` measured before it took an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from latentlink.engine.bundle.checks import (
    IDENTIFIER,
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
_MAX_SIZE = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One engine that was built and tried.

    Args:
        target: `ort-cpu`, `openvino-cpu`, ...
        precision: What it computes in.
        seconds: Of one run, the median; None where it was not run.
        psnr: dB, of the component's probes; None where they agree in every bit, or none was run.
        worst: Largest difference from them, over the largest value; None where none was run.
        reason: Why it was dropped; empty where it was only slower, or was taken.
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
        """The record of this candidate."""
        return {key: getattr(self, key) for key in _CANDIDATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The engines that were tried for a component, on one machine.

    Args:
        on: The machine: its processor and how many of it, its GPU.
        sizes: Of the component's free dimensions in the run that was timed.
        candidates: At least one; the fastest first, then those that were not run.
    """

    on: str
    sizes: Mapping[str, int]
    candidates: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        check_text("on", self.on)
        sizes = dict(sorted(mapping_of(self.sizes, limit=32).items()))
        with inside("sizes"):
            for dim, size in sizes.items():
                check_pattern("", dim, IDENTIFIER, "the name of a free dimension", 32)
                check_int(dim, size, 1, _MAX_SIZE)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "candidates", tuple(list_of("candidates", self.candidates, limit=64)))
        if not self.candidates:
            raise ManifestError("candidates", "received an empty list, expected at least one value")

    def to_json(self) -> dict[str, Any]:
        """The record of these measurements."""
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
                candidates.append(Candidate(**record_of(item, _CANDIDATE)))
        return cls(on=record["on"], sizes=record["sizes"], candidates=tuple(candidates))
