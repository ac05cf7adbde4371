"""What both runtimes say of symbols, spaces, numbers as text, paths, and files of tensors: `vocabulary.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.amounts import bytes_in_words
from latentlink.bundle_names import SHIPPED
from latentlink.checks import choice, path_of
from latentlink.ports import Port, image_port, latent_port, text_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding, digest
from tests.vectors.answering import answer_of

SYMBOLS = (
    "latent__sd__c4_f8__float32__1f0c9a2e",
    "latent__sd__c4_f8__float32__1f0c9a2e__noise",
    "latent__sd-x4.b_c__c4_f8_k999999999__bfloat16__1f0c9a2e__x12",
    "sample",
    "",
    "__",
    "latent__sd__c4_f8__float32",
    "latent__sd__c4_f8__float32__1f0c9a2e__",
    "latent__sd__c4_f8__float32__1f0c9a2e__noise__x",
    "latent__sd__c04_f8__float32__1f0c9a2e",
    "latent__sd__c0__float32__1f0c9a2e",
    "latent__sd__c1000000000__float32__1f0c9a2e",
    "latent__sd__4c__float32__1f0c9a2e",
    "latent__sd__c4___f8__float32__1f0c9a2e",
    "latent__sd__c4_f8__float64__1f0c9a2e",
    "latent__SD__c4_f8__float32__1f0c9a2e",
    "latent__sd-__c4_f8__float32__1f0c9a2e",
    "latent__s..d__c4_f8__float32__1f0c9a2e",
    "latent____c4_f8__float32__1f0c9a2e",
    "latnt__sd__c4_f8__float32__1f0c9a2e",
    "latent__sd__c4_f8__float32__1F0C9A2E",
    "latent__sd__c4_f8__float32__1f0c9a2",
    "latent__sd__c4_f8__float32__1f0c9a2e__2x",
    "latent__sd__c4_f8__float32__1f0c9a2e__x2y",
    "latent__it's__c4__float32__1f0c9a2e",
    "latent__größe__c4__float32__1f0c9a2e",
    "latent__sd\n__c4__float32__1f0c9a2e",
    "x" * 300,
)

_SD = KNOWN_SPACES["sd"].to_json()
_PLAIN = {"name": "mine", "channels": 2, "downscale": 4}

SPACES: tuple[Any, ...] = (
    *(space.to_json() for space in KNOWN_SPACES.values()),
    _PLAIN,
    {**_PLAIN, "scaling": 1e-7, "shift": -3, "mean": [1, 2.5], "std": [1e300, 5e-324], "patch": 2},
    {**_PLAIN, "weights": "0123456789abcdef" * 4},
    {},
    [],
    "sd",
    None,
    {"name": "mine"},
    {"name": "mine", "channels": 4},
    {**_SD, "unknown": 1},
    *({**_SD, "name": name} for name in ("Two__parts", "", "a" * 65, "a--b", 3, None, ["sd"], "ä")),
    *({**_SD, "channels": value} for value in (0, 4.0, 4097, -1, True, "4", None, 2**62, [4])),
    *({**_SD, "patch": value} for value in (0, 1.5)),
    *({**_SD, "scaling": value} for value in (0, -1.5, "1", None, True, [1.0])),
    {**_SD, "shift": "0"},
    {**_SD, "shift": []},
    *({**_SD, "mean": value} for value in ([1.0, 2.0], [1, 2, 3, "4"], "abcd", {"a": 1}, 5, 0.5, False, [], [[1]] * 4)),
    *({**_SD, "std": value} for value in ([1.0, 1.0, 1.0, 0.0], [1, 1, 1, -1], [1, 1, 1, True])),
    *({**_SD, "weights": value} for value in ("abc", "A" * 64, 5, ["0" * 64])),
)

TEXTS: tuple[Any, ...] = (
    {"name": "clip_l", "width": 768},
    {"name": "clip_l", "width": 768, "output": "pooled"},
    {"name": "mine", "width": 64, "output": "penultimate", "weights": "a" * 64},
    {},
    {"name": "clip_l"},
    [1],
    {"name": "clip_l", "width": 768, "layer": 2},
    *({"name": "clip_l", "width": value} for value in (0, 1.0, 2**20 + 1, True, None)),
    *({"name": "clip_l", "width": 8, "output": value} for value in ("Last", 3, "")),
)

VALUES: tuple[Any, ...] = (
    {"b": [1, -2, 2**63 - 1, -(2**63)], "a": {"z": None, "y": True, "x": False}, "B": {}, "é": []},
    [0.1, 1.0, -0.0, 1e-5, 1e16, 1e22, 123456789012345680.0, 5e-324, 1.7976931348623157e308, 2.5e-7, 0.0001],
    'tab\t line\n quote" back\\ bell\x07 del\x7f ä € \U0001f600 \b\f\r/',
    {"a": "ä", "ä": 1, "Z": 2, "aa": 3, "": 4},
    [[[]], [{}], {"a": [{"b": []}]}],
)

COUNTS = (0, 1, 999, 1000, 1049, 999949, 999950, 10**6, 3_400_000, 999_949_999, 10**9, 17_179_869_184, 2**62)

PATHS = (
    "a",
    "./a//b/",
    "/",
    "//a",
    "///a",
    ".",
    "a/../b",
    "",
    "a\0b",
    "x" * 256,
    "/".join(["y" * 200] * 21),
    "ä" * 128,
)

CHOICES = ("demo", "dmo", "demo-c", "", "Demo", "x" * 200)


def vocabulary() -> Mapping[str, Any]:
    """All questions, each with its answer or error."""
    return {
        "symbols": [_asked(one, lambda text: asdict(Port.parse(text))) for one in SYMBOLS],
        "spaces": [_asked(one, _space) for one in SPACES],
        "texts": [_asked(one, _text) for one in TEXTS],
        "image": image_port().symbol,
        "known": {name: space.digest for name, space in KNOWN_SPACES.items()},
        "values": [{"given": value, "digest": digest({"": value}), **_dumped(value)} for value in VALUES],
        "amounts": [{"given": count, "answer": bytes_in_words(count)} for count in COUNTS],
        "paths": [_asked(one, lambda text: str(path_of("path", text))) for one in PATHS],
        "choices": [_asked(one, lambda text: choice("bundle", text, [*SHIPPED])) for one in CHOICES],
        "halves": halves(),
    }


def halves() -> Mapping[str, str]:
    """SHA-256 of conversions: of all halves to float32, and of a million floats to float16 and bfloat16.

    Number i of these has the bits `i * 2654435761` modulo 2^32; what is no number counts as 0.
    """
    every = np.arange(2**16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    bits = (np.arange(2**20, dtype=np.uint64) * 2654435761 % 2**32).astype(np.uint32)
    numbers = np.nan_to_num(bits.view(np.float32), nan=0.0, posinf=np.inf, neginf=-np.inf)
    with np.errstate(over="ignore"):
        half = numbers.astype(np.float16)
    bits = numbers.view(np.uint32)
    finite = np.nan_to_num(every, nan=0.0, posinf=np.inf, neginf=-np.inf)
    brain = ((bits.astype(np.uint64) + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)  # to nearest even
    arrays: dict[str, NDArray[Any]] = {
        "half_to_float": finite.astype(np.float32),
        "float_to_half": half,
        "float_to_brain": brain,
    }
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}


def _asked(given: Any, ask: Callable[[Any], Any]) -> dict[str, Any]:
    return {"given": given, **answer_of(ask, given)}


def _space(record: Any) -> Any:
    space = LatentSpace.from_json(record)
    symbol = latent_port(space).symbol
    return {"record": space.to_json(), "digest": space.digest, "numbers": space.numbers(), "symbol": symbol}


def _text(record: Any) -> Any:
    text = TextEmbedding.from_json(record)
    symbol = text_port(text).symbol
    return {"record": text.to_json(), "digest": text.digest, "numbers": text.numbers(), "symbol": symbol}


def _dumped(value: Any) -> dict[str, Any]:
    return {
        "text": json.dumps(value),
        "plain": json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        "sorted": json.dumps(value, sort_keys=True, separators=(",", ":")),
    }
