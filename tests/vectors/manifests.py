"""What both runtimes say of manifests, JSON and ONNX files, good and bad: `manifests.json`.

A manifest is the small one of tests/engine with edits, each of a place in it: `[keys]` without the value there,
`[keys, text]` with the value that the JSON text stands for, `[keys, text, count]` with a list of so many of it. The
keys are JSON text too, as one may be a lone surrogate.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from latentlink.engine.bundle import FileEntry, Manifest
from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.errors import LatentLinkError
from tests.engine.bundle import test_manifest as good_and_bad
from tests.engine.bundle import test_onnx_locations as places
from tests.engine.conftest import manifest
from tests.vectors.answering import answer_of

Case = dict[str, Any]
Edit = list[Any]

MANY = 8
"""Values of a list from which on equal ones are counted."""

TEXTS = (
    "", " ", "null", "true", "false", "nul", "[]", "{}", " [ 1 , 2 ] ", "[1 2]", "[1", "[", "{", '{"a"', '{"a":',
    '{"a":1',
    "{1:2}", '{"a" 1}', '{"a":1 "b":2}', "{} {}", "[]]", '"', '"a', '"\\', '"\\u', '"\\u12', '"\\u00e9"', '"\\u00G9"',
    '"\\x"', '"a\nb"', '"\\n\\t\\/"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\ud83d\\u0041"',
    '"\\ud83d\\u00"', "0", "-0", "-", "01", "1.", ".5", "1.5", "1e5", "1E+5", "1e", "1e-", "-1.5e-3", "1e999", "-1e999",
    "1e-999", "123456789012345678", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" * 100,
    "0.1", "1e16", "1e-5", "NaN", "Infinity", "-Infinity", "-Inf", "[NaN]", '{"a":1,"a":2,"b":3}',
    '{"\\u0061":1,"a":2}',
    "\ufeff{}", '"\u2028"', '"é"', '"\U0001f600"', '"\x7f"', "[1,\n 2,\n x]", '["é", x]', "[" * 600 + "]" * 600,
)  # fmt: skip
"""Texts whose faults all versions of Python name in the same words."""

BYTES = (b"\xff", b"[\x80]", b'"\xc3"', b'"\xc3', b'"\xe2\x82"', b'"\xf0\x9f\x98', b'"\xed\xa0\x80"',
         b"\xff\xfe{\0}\0", b"\xc0\x80", b'"\xf4\x90\x80\x80"', b'"\xe0\x80\x80"', b"\x00")  # fmt: skip


def manifests() -> Mapping[str, Any]:
    """All questions, each with its answer or error."""
    whole = json.loads(whole_manifest().to_bytes())
    read = [*(text.encode() for text in TEXTS), *BYTES]
    return {
        "whole": whole,
        "manifests": [{"name": name, **case(whole, value)} for name, value in records(whole)],
        "texts": [{"bytes": data.hex(), **text_answer(data)} for data in read],
        "locations": [{"bytes": data.hex(), **location_answer(data)} for data in graphs()],
    }


def whole_manifest() -> Manifest:
    """The small manifest of tests/engine, with files."""
    small = manifest()
    files: dict[str, FileEntry] = {}
    for digit, component in zip("abc", small.components.values(), strict=True):
        files |= {engine.path: FileEntry(sha256=digit * 64, size=int(digit, 16)) for engine in component.engines}
        if component.tokenizer is not None:
            files[component.tokenizer.path] = FileEntry(sha256=component.inputs[0].digest + "0" * 56, size=20)
    return replace(small, files=files)


def records(whole: Case) -> Iterator[tuple[str, Case]]:
    """Manifests, good and bad, by what they have."""
    yield "nothing else", whole
    with_ranges = copy.deepcopy(whole)
    good_and_bad.ranges(with_ranges)
    yield "ranges", with_ranges
    yield "measurements", json.loads(good_and_bad._measured(whole_manifest()).to_bytes())
    for name, (change, _) in good_and_bad.BROKEN.items():
        broken = copy.deepcopy(whole)
        change(broken)
        yield name, broken
    for path in good_and_bad.UNSAFE:
        unsafe = copy.deepcopy(whole)
        unsafe["files"][path] = {"sha256": "0" * 64, "size": 0}
        yield f"a path {path[:20]!r}", unsafe


def case(whole: Case, value: Case) -> Case:
    """A manifest as edits, and what is said of it."""
    return {"edits": list(edits(whole, value, [])), **answer_of(lambda one: Manifest.from_json(one).to_json(), value)}


def edits(before: Any, after: Any, keys: list[str | int]) -> Iterator[Edit]:
    """What changes a value into another one."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from ([json.dumps([*keys, key])] for key in before if key not in after)
        for key, value in after.items():
            if key in before:
                yield from edits(before[key], value, [*keys, key])
            else:
                yield _edit([*keys, key], value)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from edits(one, other, [*keys, number])
    elif type(before) is not type(after) or before != after:
        yield _edit(keys, after)


def _edit(keys: list[str | int], value: Any) -> Edit:
    if isinstance(value, list) and len(value) > MANY and all(one == value[0] for one in value):
        return [json.dumps(keys), json.dumps(value[0]), len(value)]
    return [json.dumps(keys), json.dumps(value)]


def text_answer(data: bytes) -> Case:
    """What Python reads, as `repr` shows it, or what is wrong."""
    try:
        return {"answer": repr(json.loads(data.decode()))}
    except ValueError as error:
        return {"message": str(error)}


def graphs() -> Iterator[bytes]:
    """ONNX files that refer to files, or are none."""
    for put in places.PLACES:
        model = onnx.ModelProto(ir_version=10)
        put(model, "../../etc/passwd")
        yield model.SerializeToString()
    outside, away = places.OUTSIDE, places.AWAY
    for attributes in ((outside, away), (away,), (places.INSIDE, away), (outside,)):
        node = places.context(*attributes)
        yield onnx.ModelProto(graph=onnx.GraphProto(node=[node])).SerializeToString()
    for name in (b"plan.stripped.engine", b"stripped", b".stripped.a"):
        node = places.context(outside, onnx.helper.make_attribute("ep_cache_context", name))
        yield onnx.ModelProto(graph=onnx.GraphProto(node=[node])).SerializeToString()
    for operator in ("Loop", "Scan", "loop"):
        yield onnx.ModelProto(graph=onnx.GraphProto(node=[onnx.NodeProto(op_type=operator)])).SerializeToString()
    yield places.nested(99)
    yield places.nested(101)
    yield from (b"", b"hello", b"\x08\xff", b"\x3a\xff\xff\xff\xff\x0f", b"\0" * 9, b"\x0b", b"\xff" * 9 + b"\x01\x01")


def location_answer(data: bytes) -> Case:
    """The names in an ONNX file, or why it is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        try:
            return {"answer": [name.hex() for name in sorted(external_locations(path))]}
        except LatentLinkError as error:
            return {"message": error.message.replace(str(path), "FILE")}
