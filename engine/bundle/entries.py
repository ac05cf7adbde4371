"""Records of a manifest: files, tokenizers, engines, components. Each checks itself when it is made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

from latentlink.engine.bundle.checks import (
    IDENTIFIER,
    MAX_INT,
    MAX_LABEL,
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
    unexpected,
)
from latentlink.engine.bundle.measured import Measured
from latentlink.engine.bundle.paths import check_path
from latentlink.ports import Dim, Port

MAX_FILE_BYTES = 1 << 50
MAX_DIM = 1 << 31
MAX_TENSOR = 256

Fact: TypeAlias = str | int | bool | tuple[str, ...] | None
"""One thing that a fingerprint says about the machine an engine was built for."""

OVERFLOWS: Mapping[str, str] = {
    "refuse": "is refused",
    "truncate": "is cut off, as another encoder of the model reads the rest",
    "chunk": "is read in several pieces, whose embeddings follow each other; (words:1.3) are weighted",
}
"""What becomes of a prompt that has more tokens than its text encoder reads."""

_TOKENIZER = ("path", "max_length", "pad_id", "start_id", "end_id", "overflow")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What a file must be: `sha256` in 64 hex digits, `size` in bytes."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        check_pattern("sha256", self.sha256, _SHA256, "a SHA-256 in lower-case hex digits")
        check_int("size", self.size, 0, MAX_FILE_BYTES)

    def to_json(self) -> dict[str, Any]:
        """The record of this file."""
        return {"sha256": self.sha256, "size": self.size}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        return cls(**record_of(value, ("sha256", "size")))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerEntry:
    """How a component's token ids are made.

    Args:
        path: A `tokenizer.json` of the bundle.
        max_length: Tokens of a prompt, start and end included; at least one more than these.
        pad_id: What fills up to `max_length`.
        start_id: First token of every prompt, or None.
        end_id: Last token of every prompt, or None.
        overflow: What becomes of a longer prompt, a key of `OVERFLOWS`.
    """

    path: str
    max_length: int
    pad_id: int
    start_id: int | None
    end_id: int | None
    overflow: str = "refuse"

    def __post_init__(self) -> None:
        check_path("path", self.path)
        check_int("max_length", self.max_length, 1, 1 << 20)
        ends = (self.start_id is not None) + (self.end_id is not None)
        if self.max_length <= ends:
            raise unexpected("max_length", self.max_length, f"more than the {ends} tokens that begin and end a prompt")
        check_int("pad_id", self.pad_id, 0, MAX_DIM - 1)
        for key, value in (("start_id", self.start_id), ("end_id", self.end_id)):
            if value is not None:
                check_int(key, value, 0, MAX_DIM - 1)
        if not isinstance(self.overflow, str) or self.overflow not in OVERFLOWS:
            raise unexpected("overflow", self.overflow, f"one of {', '.join(OVERFLOWS)}")

    def to_json(self) -> dict[str, Any]:
        """The record of this tokenizer."""
        return {key: getattr(self, key) for key in _TOKENIZER}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        return cls(**record_of(value, _TOKENIZER))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """One component compiled for one target.

    Args:
        target: `onnx`, `ort-cpu`, `tensorrt`, ...
        precision: What it computes in: `float32`, `float16`, `int8`, ...
        path: The engine file; what it needs beside it lies in the same folder.
        fingerprint: Facts that a machine must share to run it.
        limits: (smallest, best, largest) size of each free dimension; a dimension that is not named is free.
        parity: How it compares with its reference, or None where it was not compared. Has the keys
            `reference` (text), `max_abs`, `relative` and `tolerance`; others hold numbers or text.
    """

    target: str
    precision: str
    path: str
    fingerprint: Mapping[str, Fact] = field(default_factory=dict)
    limits: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    parity: Mapping[str, str | float] | None = None

    def __post_init__(self) -> None:
        check_label("target", self.target)
        check_label("precision", self.precision)
        check_path("path", self.path)
        # Only files of this name are searched for weights outside of the bundle.
        if (self.target == "onnx" or self.target.startswith("ort-")) and not self.path.endswith(".onnx"):
            raise unexpected("path", self.path, f"a file that ends in .onnx, as target {self.target} reads ONNX")
        # OpenVINO reads other formats too, which may name files.
        if self.target.startswith("openvino-") and not self.path.endswith(".xml"):
            raise unexpected("path", self.path, f"a file that ends in .xml, as target {self.target} reads OpenVINO IR")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentEntry:
    """One component: its ports, its engines, and its tokenizer where it reads tokens.

    Args:
        inputs: Ports in the order of the engine's inputs, with shapes.
        outputs: Ports in the order of the engine's outputs, with shapes.
        engines: At least one.
        tokenizer: Exactly where an input is of kind `tokens`.
        overflows: Why it must not compute in float16; empty where it may.
        measured: What was measured to take its engines; None where they were asked for by name.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    engines: tuple[EngineEntry, ...]
    tokenizer: TokenizerEntry | None = None
    overflows: str = ""
    measured: Measured | None = None

    def __post_init__(self) -> None:
        check_text("overflows", self.overflows)
        for key in ("inputs", "outputs", "engines"):
            object.__setattr__(self, key, tuple(list_of(key, getattr(self, key), limit=64)))
            if not getattr(self, key):
                raise ManifestError(key, "received an empty list, expected at least one value")
        names: set[str] = set()
        for key, ports in (("inputs", self.inputs), ("outputs", self.outputs)):
            for number, port in enumerate(ports):
                _check_shape(f"{key}[{number}].shape", port.shape)
                if port.tensor in names:
                    raise ManifestError(f"{key}[{number}].tensor", f"received {port.tensor!r} twice, expected it once")
                names.add(port.tensor)
        free = {dim for port in (*self.inputs, *self.outputs) for dim in port.shape if isinstance(dim, str)}
        for number, engine in enumerate(self.engines):
            for dim in engine.limits:
                if dim not in free:
                    raise unexpected(f"engines[{number}].limits", dim, f"a free dimension: {', '.join(sorted(free))}")
        with inside("inputs"):
            lengths = [port.size("l") for port in self.inputs if port.kind == "tokens"]
        if bool(lengths) != (self.tokenizer is not None):
            raise ManifestError("tokenizer", "expected one exactly where an input is of kind tokens")
        for length in lengths:
            if self.tokenizer is not None and length != self.tokenizer.max_length:
                raise unexpected("tokenizer.max_length", self.tokenizer.max_length, f"the port's {length}")

    def to_json(self) -> dict[str, Any]:
        """The record of this component."""
        record: dict[str, Any] = {
            "inputs": [{"tensor": port.tensor, "shape": list(port.shape)} for port in self.inputs],
            "outputs": [{"tensor": port.tensor, "shape": list(port.shape)} for port in self.outputs],
            "engines": [engine.to_json() for engine in self.engines],
        }
        if self.overflows:
            record["overflows"] = self.overflows
        if self.measured is not None:
            record["measured"] = self.measured.to_json()
        return record if self.tokenizer is None else record | {"tokenizer": self.tokenizer.to_json()}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        record = record_of(value, ("inputs", "outputs", "engines"), ("tokenizer", "overflows", "measured"))
        with inside("tokenizer"):
            tokenizer = TokenizerEntry.from_json(record["tokenizer"]) if "tokenizer" in record else None
        with inside("measured"):
            measured = Measured.from_json(record["measured"]) if "measured" in record else None
        return cls(
            inputs=each("inputs", record["inputs"], _port),
            outputs=each("outputs", record["outputs"], _port),
            engines=each("engines", record["engines"], EngineEntry.from_json),
            tokenizer=tokenizer,
            overflows=record.get("overflows", ""),
            measured=measured,
        )


def each(where: str, value: object, read: Callable[[Any], _T], *, limit: int = 64) -> tuple[_T, ...]:
    """A list, each of its values read by `read`; errors name the number of the value."""
    found = []
    for number, item in enumerate(list_of(where, value, limit=limit)):
        with inside(f"{where}[{number}]"):
            found.append(read(item))
    return tuple(found)


def sorted_items(value: object, limit: int, length: int = MAX_LABEL) -> Sequence[tuple[str, Any]]:
    """An object's items by key, so that equal records are written as equal bytes; keys are short text."""
    items = sorted(mapping_of(value, limit=limit).items())
    for key, _ in items:
        check_text("", key, length)
    return items


def _port(value: object) -> Port:
    record = record_of(value, ("tensor", "shape"))
    check_text("tensor", record["tensor"], MAX_TENSOR)
    shape = list_of("shape", record["shape"], limit=8)
    with inside("tensor"):
        return Port.parse(record["tensor"], shape)


def _check_shape(where: str, shape: Sequence[Dim]) -> None:
    for number, dim in enumerate(shape):
        if isinstance(dim, str):
            check_pattern(f"{where}[{number}]", dim, IDENTIFIER, "the name of a free dimension", 32)
        else:
            check_int(f"{where}[{number}]", dim, 1, MAX_DIM)


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


def _limit(key: str, value: object) -> tuple[int, int, int]:
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
    return parity
