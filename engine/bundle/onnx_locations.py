"""Find the files that an ONNX file refers to: the `location` of external tensors, and engines of EPContext nodes.

It works without the onnx package, by a bounded walk over the protobuf bytes. It enters only messages that can hold a
tensor and skips everything else, including weights, so that its time depends on the graph and not on the file size.
Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from latentlink.engine.bundle.record_checks import REMEDY
from latentlink.errors import BundleError

# protobuf's own parsers stop at 100.
MAX_DEPTH = 100
# The graph of a 12-billion-parameter denoiser has about a million fields.
MAX_FIELDS = 20_000_000

# message -> number of a length-delimited field -> the message it holds
_CHILDREN: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {1: "key", 2: "value"},
}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# NodeProto and AttributeProto
_OP_TYPE, _NAME, _INTEGER, _TEXT, _REFERENCE = 4, 1, 3, 4, 21

CONTEXT = b"EPContext"
"""Operator of an engine that a provider of ONNX Runtime compiled, in any domain (see contrib_defs.cc)."""

ENDLESS = (b"Loop", b"Scan")
"""Operators that repeat as often as a number in the file says: a run of a few bytes may last for ever. No engine needs
one."""


def external_locations(path: Path) -> frozenset[bytes]:
    """The names of all files that the ModelProto in `path` refers to.

    These are the `location` values of all tensors (initialisers, sparse tensors, attributes, subgraphs, functions and
    training graphs), and the names in EPContext nodes: `ep_cache_context` unless `embed_mode` is 1 (its default), and
    `onnx_model_filename`.

    A parser takes the last of repeated fields; this function returns every value, so that no parser can see a name that
    was not checked. An entry or attribute without a value is an empty name, as for a parser.

    Raises:
        BundleError: The bytes are not a protobuf message, nest deeper than 100 or have too many fields; a node repeats
            a graph; or an EPContext node has an attribute that refers to an argument of its function, or an engine
            without weights.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(0, 2)
        if file.tell() == 0:
            raise _malformed(path, "it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _walk(_Reader(data, path))


class _Reader:
    """Reads messages and counts their fields."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data = data
        self.path = path
        self._fields = 0

    def fields(self, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message: (number, wire type, start, end); for a number, start is its value."""
        while position < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise _malformed(self.path, f"it has more than {MAX_FIELDS} fields")
            tag, position = self._varint(position, end)
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
                raise _malformed(self.path, f"byte {position} has the tag {tag}")
            if wire == _VARINT:
                start, position = self._varint(position, end)
            else:
                size = 8 if wire == _FIXED64 else 4
                if wire == _BYTES:
                    size, position = self._varint(position, end)
                start, position = position, position + size
                if position > end:
                    raise _malformed(self.path, f"a field at byte {start} is longer than what holds it")
            yield number, wire, start, position

    def text(self, start: int, end: int, most: int = 4096) -> bytes:
        """The first bytes of a field."""
        return self.data[start : min(end, start + most)]

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """The number at `position` and the position after it; at most 10 bytes."""
        value = shift = 0
        while position < end and shift < 70:
            byte = self.data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
        raise _malformed(self.path, f"a number ends in the middle at byte {position}")


def _walk(reader: _Reader) -> frozenset[bytes]:
    found: set[bytes] = set()
    spans: list[tuple[str, int, int, int]] = [("model", 0, len(reader.data), 0)]
    while spans:
        message, begin, end, depth = spans.pop()
        if depth > MAX_DEPTH:
            raise _malformed(reader.path, f"messages are nested deeper than {MAX_DEPTH}")
        children = _CHILDREN[message]
        keys: list[bytes] = []
        values: list[bytes] = []
        operators: list[bytes] = []
        attributes: list[tuple[int, int]] = []
        for number, wire, start, stop in reader.fields(begin, end):
            if wire != _BYTES:
                continue
            if message == "node" and number == _OP_TYPE:
                operators.append(reader.text(start, stop, 16))
            child = children.get(number)
            if child == "key":
                keys.append(reader.text(start, stop, 16))
            elif child == "value":
                values.append(reader.text(start, stop))
            elif child is not None:
                spans.append((child, start, stop, depth + 1))
                if message == "node":
                    attributes.append((start, stop))
        for operator in operators:
            if operator in ENDLESS:
                raise _malformed(reader.path, f"it has the operator {operator.decode()}, which may repeat for ever")
        if b"location" in keys:
            found.update(values or [b""])
        if CONTEXT in operators:
            found |= _context_files(reader, attributes)
    return frozenset(found)


def _context_files(reader: _Reader, attributes: Sequence[tuple[int, int]]) -> set[bytes]:
    """Files that an EPContext node refers to."""
    modes: list[int] = []
    engines: list[bytes] = []
    models: list[bytes] = []
    for begin, end in attributes:
        names: set[bytes] = set()
        texts: list[bytes] = []
        numbers: list[int] = []
        for number, wire, start, stop in reader.fields(begin, end):
            if (number, wire) == (_NAME, _BYTES):
                names.add(reader.text(start, stop, 64))
            elif (number, wire) == (_TEXT, _BYTES):
                texts.append(reader.text(start, stop))
            elif (number, wire) == (_INTEGER, _VARINT):
                numbers.append(start)
            elif (number, wire) == (_REFERENCE, _BYTES) and start != stop:
                raise _malformed(reader.path, "an EPContext node has an attribute that the caller of a function gives")
        if b"embed_mode" in names:
            modes += numbers or [0]
        if b"ep_cache_context" in names:
            engines += texts or [b""]
        if b"onnx_model_filename" in names:
            models += texts or [b""]
    if all(mode == 1 for mode in modes):
        return set(models)
    if any(name.rpartition(b".")[0].endswith(b".stripped") for name in engines):
        # ONNX Runtime would open the same name without .stripped in the working directory, if that exists.
        raise _malformed(reader.path, "an EPContext node names an engine without weights")
    return {*engines, *models}


def _malformed(path: Path, why: str) -> BundleError:
    return BundleError(f"{path} is not an ONNX file that is safe to open: {why}.", remedy=REMEDY)
