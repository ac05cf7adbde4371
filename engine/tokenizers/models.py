"""The vocabularies that a tokenizer may have: byte-pair encoding and unigram, and the tokens added to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from latentlink.engine.tokenizers.fields import (
    Check,
    TokenizerFormatError,
    fields,
    flag,
    items,
    one_of,
    optional,
    text,
    unexpected,
    whole,
)

MAX_ID = (1 << 31) - 1
MAX_TOKENS = 1 << 20
MAX_MERGES = 1 << 20
MAX_ADDED = 1 << 16
MAX_TOKEN = 1024
"""Most characters of a token."""

MAX_CHARACTERS = 1 << 24
"""Most characters of all tokens together."""

MAX_ADDED_CHARACTERS = 1 << 20
"""The same of the added tokens, of which the library makes a search tree."""

MAX_PIECES = 1 << 21
"""The same of a unigram vocabulary, of which the library makes a tree with a node for each."""

MAX_SCORE = 1e6


def check_model(where: str, value: Any) -> None:
    """A model of a kind in `MODELS`.

    Raises:
        TokenizerFormatError: It is something else.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in MODELS:
        raise unexpected(f"{where}.type", kind, f"one of {', '.join(MODELS)}")
    required, allowed = MODELS[kind]
    fields(where, value, {"type": one_of(kind), **required}, allowed)
    unknown = value.get("unk_token")
    if unknown is not None and unknown not in value["vocab"]:
        raise unexpected(f"{where}.unk_token", unknown, "a token of the vocabulary")
    if kind == "BPE":
        _check_merges(f"{where}.merges", value["merges"], value["vocab"])
    if kind == "Unigram" and value["unk_id"] >= len(value["vocab"]):
        raise unexpected(f"{where}.unk_id", value["unk_id"], f"below {len(value['vocab'])}, the number of tokens")


def check_added(where: str, value: Any) -> None:
    """Tokens that are found in a text before the model reads it.

    Raises:
        TokenizerFormatError: It is something else.
    """
    listed = items(where, value, MAX_ADDED)
    for number, token in enumerate(listed):
        fields(f"{where}[{number}]", token, _ADDED)
    _check_total(where, (token["content"] for token in listed), MAX_ADDED_CHARACTERS)


def _check_total(where: str, tokens: Iterable[str], most: int) -> None:
    if (total := sum(map(len, tokens))) > most:
        raise TokenizerFormatError(where, f"received {total} characters in all, expected at most {most}")


def _ids(where: str, value: Any) -> None:
    """Ids by token."""
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_TOKENS:
        raise unexpected(where, value, f"an object of 1 to {MAX_TOKENS} tokens")
    numbers = value.values()
    if {*map(type, numbers)} != {int} or min(numbers) < 0 or max(numbers) > MAX_ID or max(map(len, value)) > MAX_TOKEN:
        raise unexpected(where, value, f"tokens of at most {MAX_TOKEN} characters with ids from 0 to {MAX_ID}")
    _check_total(where, value, MAX_CHARACTERS)


def _merges(where: str, value: Any) -> None:
    items(where, value, MAX_MERGES)


def _check_merges(where: str, merges: list[Any], vocabulary: Mapping[str, int]) -> None:
    """Pairs of tokens, as two texts or one with a space, each with the token that it makes.

    The library writes the token to a buffer as long as the longest one, and panics where it is longer.
    """
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        try:
            first, second = pair
            fits = first in vocabulary and second in vocabulary and first + second in vocabulary
        except (TypeError, ValueError):  # no pair, or not of texts
            fits = False
        if not fits:
            raise unexpected(where, merge, "pairs of tokens that make a third one")


def _scores(where: str, value: Any) -> None:
    """Pairs of a token and its score."""
    for pair in items(where, value, MAX_TOKENS):
        fits = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) in (int, float)
        if not fits or not 1 <= len(pair[0]) <= MAX_TOKEN or not abs(pair[1]) <= MAX_SCORE:
            raise unexpected(where, pair, f"[token of 1 to {MAX_TOKEN} characters, score within ±{MAX_SCORE:g}]")
    _check_total(where, (pair[0] for pair in value), MAX_PIECES)


MODELS: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]] = {
    "BPE": (
        {"vocab": _ids, "merges": _merges},
        {
            "dropout": one_of(None),
            "unk_token": optional(text(0, MAX_TOKEN)),
            "continuing_subword_prefix": one_of(None, ""),
            "end_of_word_suffix": optional(text(0, 16)),
            "fuse_unk": flag,
            "byte_fallback": flag,
            "ignore_merges": flag,
        },
    ),
    "Unigram": ({"vocab": _scores, "unk_id": whole(MAX_TOKENS)}, {"byte_fallback": flag}),
}
"""Required and optional fields by kind. `dropout` would draw lots."""

_ADDED = {
    "id": whole(MAX_ID),
    "content": text(0, MAX_TOKEN),
    "single_word": flag,
    "lstrip": flag,
    "rstrip": flag,
    "normalized": flag,
    "special": flag,
}
