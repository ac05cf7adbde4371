"""What both runtimes say of files of tensors and of latents, good and bad: `tensor_files.json`."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from latentlink.ports import latent_port
from latentlink.runtime import Latents
from latentlink.spaces import KNOWN_SPACES
from tests.vectors.answering import answer_of

Case = dict[str, Any]

SD, OTHER = KNOWN_SPACES["sd"], KNOWN_SPACES["playground-v2.5"]


def tensor_files() -> Mapping[str, Any]:
    """All files, each with its answer or error."""
    return {
        "tensors": [{"bytes": one.hex(), **tensors_answer(one)} for one in files()],
        "written": save(_TENSORS, {"a": 'b "c" ä'}).hex(),
        "latents": [latents_answer(one) for one in latents()],
    }


_TENSORS: dict[str, Any] = {
    "b": np.arange(2, dtype=np.float32),
    "a": np.arange(3, dtype=np.uint8),
    "c": np.arange(3, dtype=np.int64).reshape(1, 3),
    "d": np.arange(3, dtype=np.float16),
    "e": np.array(7, np.int32),
    "f": np.zeros((0, 5), np.float32),
}


def _info(dtype: str = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> Case:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _file(header: Any, data: bytes = b"1234", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


LEVELS = ("[0.6, 0.8]", "null", "[1.0, 0.0]", "[1]", "[0, 0]", "[-1, 1]", "[NaN, 1]", "[1e999, 1]", '{"a": 1}', "x")
RECORDS = ("", "{", "[]", "null", "{}", '{"name": 1}', '{"a": 1, "a": 2}', '{"b": NaN}', "[1,]", "[" * 50, "1 2")


def files() -> Iterator[bytes]:
    """Files in the format of safetensors, or nearly so."""
    yield save(_TENSORS, {"format": "pt"})
    yield from (b"", b"1234567", b"\xff" * 8 + b"{}")
    yield from (_file(b"{}", b"", length) for length in (100_000_001, 50, 3))
    for text in (b"", b"{}", b" {}", b"{} ", b"{}\0", b"[]", b"{}{}", b"\xef\xbb\xbf{}", b"{\xff}", b'{"a":NaN}', b"{"):
        yield _file(text, b"")
    yield from (_file({"a": _info()}, data) for data in (b"1234", b"12345", b"123"))
    yield from (
        _file({"a": _info(offsets=offsets)}, b"12345") for offsets in ((1, 5), (4, 0), (0,), (0, 4, 4), (0, -4))
    )
    for shape in ((2,), (2**63, 4), (0,), (2**40, 0), (2**62, 4, 0), (), (-1,), (1.0,), (1,) * 40, {"0": 1}, None):
        yield _file({"a": _info(shape=shape)})
    yield _file({"a": _info(shape=(0, 2**20), offsets=(0, 0))}, b"")
    for last in ((4, 8), (5, 9), (3, 7)):
        yield _file({"a": _info(), "b": _info(offsets=last)}, b"x" * last[1])
    yield from (_file({"a": _info(dtype)}) for dtype in ("F33", "", "f32", "BF16", "I32", "U32"))
    for dtype, size in (("F64", 8), ("F8_E4M3", 1), ("F8_E5M2", 1), ("BOOL", 1), ("C64", 8), ("U16", 2), ("BF16", 2)):
        yield _file({"a": _info(dtype, offsets=(0, size))}, b"\0" * size)
    yield from (_file({"a": _info("F4", (n,), (0, 1))}, b"1") for n in (2, 3))
    yield _file({"a": _info("F6_E2M3", (4,), (0, 3))}, b"123")
    yield from (_file({"a": item}) for item in (5, None, [], ["F32", [1], [0, 4]], ["F32", [1], [0, 4], 1]))
    yield from (_file({"a": {key: value for key, value in _info().items() if key != left}}) for left in _info())
    yield _file({"a": {**_info(), "more": [1]}})
    yield _file({"a": {**_info(), "dtype": {"F32": None}}})
    every: tuple[Any, ...] = (None, {}, {"a": "b"}, {"a": 1}, {"a": None}, [])
    for metadata in every:
        yield _file({"__metadata__": metadata}, b"")
    same = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    yield _file(b"{" + same + b"," + same + b"}")
    yield _file(b'{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' + same + b"}")
    yield _file(b"{" + same.replace(b'"dtype":"F32"', b'"dtype":"F32","dtype":"F32"') + b"}")
    yield _file(b'{"__metadata__":{"a":"1","a":"2"}}', b"")
    yield _file(b'{"__metadata__":{"a":"1"},"__metadata__":{"a":"2"}}', b"")
    for depth in (120, 200):
        yield _file(b"{" + same[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}}")
    yield from (_file(b"{" + same.replace(b"[1]", text) + b"}") for text in (b"[-0]", b"[1e0]", b"[01]", b"[1,]"))
    yield _file(b"{" + same.replace(b'"a"', b'"\\ud800"') + b"}")
    yield _file(b"{" + same.replace(b'"a"', b'""') + b"}")


def latents() -> Iterator[tuple[bytes, str | None]]:
    """Files of latents, or nearly so, each with the name of the space that the user says."""
    array = np.random.default_rng(0).standard_normal((1, 4, 2, 3)).astype(np.float32)
    honest = {
        "latentlink.space": json.dumps(SD.to_json()),
        "latentlink.symbol": latent_port(SD).symbol,
    }
    for given in (None, "sd", "sdxl"):
        yield _saved({"latent": array}, honest), given
    yield (
        _saved({"latent": array.astype(np.float16)}, honest | {"latentlink.symbol": latent_port(SD, "float16").symbol}),
        None,
    )
    for level in (
        "[0.6, 0.8]",
        "null",
        "[1.0, 0.0]",
        "[1]",
        "[0, 0]",
        "[-1, 1]",
        "[NaN, 1]",
        "[1e999, 1]",
        '{"a": 1}',
        "x",
    ):
        yield _saved({"latent": array}, honest | {"latentlink.level": level}), None
    for space in (
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"name": 1}',
        '{"a": 1, "a": 2}',
        '{"b": NaN}',
        "[1,]",
        "[" * 50,
        "1 2",
    ):
        yield _saved({"latent": array}, honest | {"latentlink.space": space}), None
    yield _saved({"latent": array}, honest | {"latentlink.symbol": latent_port(OTHER).symbol}), None
    yield _saved({"latent": array}, {"latentlink.space": honest["latentlink.space"]}), None
    yield _saved({"latent": array}, {"latentlink.symbol": honest["latentlink.symbol"]}), "sd"
    yield _saved({"latents": array}, honest), "sd"
    yield _saved({"latent": array, "more": array}, honest), None
    yield _saved({"latent": array[0]}, honest), None
    for tensors in (
        {"samples": array},
        {"a": array[0]},
        {"latent": array, "b": array},
        {"latents": array, "b": array},
        {"latent": array, "latents": array},
        {"a": array, "b": array},
        dict.fromkeys("fedcba", array),
        {},
        {"a": array.astype(np.float64)},
        {"a": array.astype(np.int32)},
        {"a": array[:, :3]},
        {"a": array[0, 0]},
        {"a": array[:0]},
        {"a": np.array(1, np.float32)},
    ):
        data = _saved({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, {"format": "pt"})
        yield data, "sd"
    yield _saved({"samples": array}), None
    yield from ((data, None) for data in (b"", b"\xff" * 8 + b"{}", b"\x02" + b"\0" * 7 + b"{}", b"x" * 100))
    yield _file({"a": _info("F6_E2M3", (4,), (0, 3))}, b"123"), "sd"


def _saved(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> bytes:
    """A file as the library writes it, but with metadata in the order of their keys: its own order is by chance."""
    plain = save(dict(tensors))
    end = 8 + int.from_bytes(plain[:8], "little")
    head = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    text = json.dumps(head | json.loads(plain[8:end]), ensure_ascii=False, separators=(",", ":")).encode()
    return _file(text.ljust(-(-len(text) // 8) * 8), plain[end:])


def tensors_answer(data: bytes) -> Case:
    """Names, types and shapes of a file's tensors; or the error, without what the JSON parser says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(data)
        try:
            with safe_open(path, framework="numpy") as file:
                slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
                shapes = {name: [one.get_dtype(), *one.get_shape()] for name, one in slices.items()}
                return {"answer": {"tensors": shapes, "metadata": file.metadata() or {}}}
        except SafetensorError as error:
            words = str(error)
            for parser in ("invalid JSON in header", "invalid UTF-8 in header"):  # the library's words are its own
                words = words.partition(parser)[0] + "no JSON" if parser in words else words
            return {"message": words}


def latents_answer(given: tuple[bytes, str | None]) -> Case:
    data, space = given
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(data)

        def ask(_: object) -> Any:
            read = Latents.load(path, space=None if space is None else KNOWN_SPACES[space])
            return {"symbol": read.symbol, "shape": [*read.array.shape], "level": read.level}

        answer = answer_of(ask, None)
    answer = {
        key: value.replace(str(path), "FILE") if isinstance(value, str) else value for key, value in answer.items()
    }
    return {"bytes": data.hex(), "space": space, **answer}
