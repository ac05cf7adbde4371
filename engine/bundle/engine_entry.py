"""The manifest's record of an engine: one component compiled for one target."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from latentlink.engine.bundle.paths import check_path
from latentlink.engine.bundle.record_checks import (
    MAX_DIM,
    MAX_INT,
    ManifestError,
    check_int,
    check_label,
    check_number,
    check_text,
    inside,
    list_of,
    record_of,
    sorted_items,
    unexpected,
)
from latentlink.engine.quality import Quality
from latentlink.engine.quality.gate import PREFIX

Fact: TypeAlias = str | int | bool | tuple[str, ...] | None
"""One fact of a fingerprint."""

SizeRange: TypeAlias = tuple[int, int, int]
"""Smallest, best and largest size of a dimension. Three equal sizes make it fixed."""

SizeLimits: TypeAlias = Mapping[str, SizeRange]
"""Size range by free dimension."""

EXPORTED = "onnx"
"""The target of a graph that `latentlink export` wrote: no engine yet."""

FILE_FORMATS: Mapping[re.Pattern[str], tuple[str, str]] = {
    re.compile(rf"{EXPORTED}|ort-.*"): (".onnx", "ONNX"),
    re.compile(r"openvino-.*"): (".xml", "OpenVINO IR"),
}
"""By targets, the end of an engine's path and the format that it stands for. A reader searches `.onnx` files alone for
weights outside the bundle, and OpenVINO also reads other formats, which may name files (docs/bundle-format.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """One component compiled for one target.

    Args:
        target: `ort-cpu`, `tensorrt`, ...; `EXPORTED` for a graph that engines are built from.
        precision: What it computes in: `float32`, `float16`, `int8`, ...
        path: The engine's file; files that it needs are in the same folder.
        fingerprint: Facts about the machine and the build that the engine depends on.
        limits: Size range of each free dimension; a dimension that is not named takes any size.
        parity: How it compares with its reference; None if it was not compared. It has the keys `reference` (text),
            `max_abs`, `relative` and `tolerance`; other keys hold numbers or text.
    """

    target: str
    precision: str
    path: str
    fingerprint: Mapping[str, Fact] = field(default_factory=dict)
    limits: SizeLimits = field(default_factory=dict)
    parity: Mapping[str, str | float] | None = None

    def __post_init__(self) -> None:
        check_label("target", self.target)
        check_label("precision", self.precision)
        check_path("path", self.path)
        for targets, (suffix, name) in FILE_FORMATS.items():
            if targets.fullmatch(self.target) and not self.path.endswith(suffix):
                raise unexpected(
                    "path", self.path, f"a file that ends in {suffix}, as target {self.target} reads {name}"
                )
        with inside("fingerprint"):
            facts = {key: _fact(key, value) for key, value in sorted_items(self.fingerprint, 64)}
        with inside("limits"):
            limits = {key: _limit(key, value) for key, value in sorted_items(self.limits, 32)}
        object.__setattr__(self, "fingerprint", facts)
        object.__setattr__(self, "limits", limits)
        if self.parity is not None:
            with inside("parity"):
                object.__setattr__(self, "parity", _parity(self.parity))

    def to_json(self) -> dict[str, Any]:
        """The record of this engine."""
        return {
            "target": self.target,
            "precision": self.precision,
            "path": self.path,
            "fingerprint": {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.fingerprint.items()
            },
            "limits": {key: list(value) for key, value in self.limits.items()},
            "parity": None if self.parity is None else dict(self.parity),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        return cls(**record_of(value, ("target", "precision", "path", "fingerprint", "limits", "parity")))


def _fact(key: str, value: object) -> Fact:
    if isinstance(value, (list, tuple)):
        for item in list_of(key, value, limit=1024):
            check_text(key, item)
        return tuple(value)
    if isinstance(value, str):
        check_text(key, value)
        return value
    if type(value) is int:
        check_int(key, value, -MAX_INT, MAX_INT)
        return value
    if value is None or isinstance(value, bool):
        return value
    raise unexpected(key, value, "text, an integer, true, false, null or a list of text")


def _limit(key: str, value: object) -> SizeRange:
    sizes = list_of(key, value, limit=3)
    for size in sizes:
        check_int(key, size, 1, MAX_DIM)
    if len(sizes) != 3 or not sizes[0] <= sizes[1] <= sizes[2]:
        raise unexpected(key, list(sizes), "[smallest, best, largest]")
    return (sizes[0], sizes[1], sizes[2])


def _parity(value: object) -> Mapping[str, str | float]:
    parity = dict(sorted_items(value, 32))
    measures = ("max_abs", "relative", "tolerance")
    for key in ("reference", *measures):
        if key not in parity:
            raise ManifestError("", f"received no key {key!r}, expected reference, max_abs, relative and tolerance")
    for key, item in parity.items():
        if key == "reference" or (isinstance(item, str) and key not in measures):
            check_text(key, item)
        else:
            check_number(key, item, 0.0 if key in measures else -math.inf)
    if any(key.startswith(PREFIX) for key in parity) and Quality.of_parity(parity) is None:
        raise ManifestError(
            "", f"received {PREFIX}... that are no numbers, expected the figures of latentlink calibrate"
        )
    return parity
