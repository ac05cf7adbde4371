"""Where an ONNX file keeps its weights: the `location` of every external tensor, without the onnx package.

A bounded walk over the protobuf bytes. It follows only the messages that can hold a tensor and steps over
everything else, weights included, so its time is that of the graph and not of the file.
Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path

from latentlink.engine._checks import REMEDY
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


def external_locations(path: Path) -> frozenset[bytes]:
    """The `location` values of all tensors of the ModelProto in `path`: initialisers, sparse tensors,
    attributes, subgraphs, functions and training graphs.

    A parser takes the last of repeated `key` or `value` fields; here every value of an entry that has a key
    `location` counts, so that no parser can see a location that was not checked. An entry without a value is
    an empty location, as it is for a parser.

    Raises:
        BundleError: The bytes are not a protobuf message, nest deeper than 100 or have too many fields.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(0, 2)
        if file.tell() == 0:
            raise _malformed(path, "it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _walk(data, path)


def _walk(data: mmap.mmap, path: Path) -> frozenset[bytes]:
    found: set[bytes] = set()
    fields = 0
    spans: list[tuple[str, int, int, int]] = [("model", 0, len(data), 0)]
    while spans:
        message, position, end, depth = spans.pop()
        if depth > MAX_DEPTH:
            raise _malformed(path, f"messages are nested deeper than {MAX_DEPTH}")
        children = _CHILDREN[message]
        keys: list[bytes] = []
        values: list[bytes] = []
        while position < end:
            fields += 1
            if fields > MAX_FIELDS:
                raise _malformed(path, f"it has more than {MAX_FIELDS} fields")
            tag, position = _varint(data, position, end, path)
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
                raise _malformed(path, f"byte {position} has the tag {tag}")
            if wire == _VARINT:
                _, position = _varint(data, position, end, path)
                continue
            if wire == _BYTES:
                size, position = _varint(data, position, end, path)
            else:
                size = 8 if wire == _FIXED64 else 4
            start, position = position, position + size
            if position > end:
                raise _malformed(path, f"a field at byte {start} is longer than what holds it")
            if wire != _BYTES or number not in children:
                continue
            child = children[number]
            if child == "key":
                keys.append(data[start : min(position, start + 16)])
            elif child == "value":
                values.append(data[start : min(position, start + 4096)])
            else:
                spans.append((child, start, position, depth + 1))
        if b"location" in keys:
            found.update(values or [b""])
    return frozenset(found)


def _varint(data: mmap.mmap, position: int, end: int, path: Path) -> tuple[int, int]:
    """The number at `position` and the position after it; at most 10 bytes."""
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise _malformed(path, f"a number ends in the middle at byte {position}")


def _malformed(path: Path, why: str) -> BundleError:
    return BundleError(f"{path} is not an ONNX file: {why}; expected a protobuf ModelProto.", remedy=REMEDY)
