"""The manifest's record of a component: its ports, engines and tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from latentlink.engine.bundle.engine_comparison import EngineComparison
from latentlink.engine.bundle.engine_entry import EngineEntry, Fact
from latentlink.engine.bundle.record_checks import (
    IDENTIFIER,
    MAX_DIM,
    ManifestError,
    check_int,
    check_pattern,
    check_text,
    each,
    inside,
    list_of,
    record_of,
    unexpected,
)
from latentlink.engine.bundle.tokenizer_entry import TokenizerEntry
from latentlink.ports import Dim, Port
from latentlink.spaces import digest

MAX_TENSOR = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentEntry:
    """One component: its ports, its engines, and the tokenizer of a text encoder.

    Args:
        inputs: Ports in the order of the engine's inputs, with shapes.
        outputs: Ports in the order of the engine's outputs, with shapes.
        engines: At least one.
        tokenizer: Present if, and only if, an input is of kind `tokens`.
        overflows: Why it must not compute in float16; empty if it may.
        measured: The comparison by which its target was chosen; None if the user named the targets.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    engines: tuple[EngineEntry, ...]
    tokenizer: TokenizerEntry | None = None
    overflows: str = ""
    measured: EngineComparison | None = None

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

    def check_fingerprints(self) -> None:
        """Refuse engines of other ports, and two engines of one precision that were not built from one graph.

        A reader asks for it once the engines' own ports have been linked, whose refusal says more.

        Raises:
            BundleError: A fingerprint names other ports than the component's, or the sources differ.
        """
        ports = ports_digest(self.inputs, self.outputs)
        sources: dict[str, Fact] = {}
        for number, engine in enumerate(self.engines):
            with inside(f"engines[{number}].fingerprint"):
                if (found := engine.fingerprint.get("ports", ports)) != ports:
                    raise unexpected("ports", found, f"{ports}, the digest of the component's ports")
                if (source := engine.fingerprint.get("source")) is None:
                    continue
                if (first := sources.setdefault(engine.precision, source)) != source:
                    raise unexpected("source", source, f"{first}, as in the other {engine.precision} engine")

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
            measured = EngineComparison.from_json(record["measured"]) if "measured" in record else None
        return cls(
            inputs=each("inputs", record["inputs"], _port),
            outputs=each("outputs", record["outputs"], _port),
            engines=each("engines", record["engines"], EngineEntry.from_json),
            tokenizer=tokenizer,
            overflows=record.get("overflows", ""),
            measured=measured,
        )


def ports_digest(inputs: Sequence[Port], outputs: Sequence[Port]) -> str:
    """Digest of a component's ports, for the fingerprints of its engines: 8 hex digits over the tensors' names."""
    return digest({"ports": [port.tensor for port in (*inputs, *outputs)]})


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
