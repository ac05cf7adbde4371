"""The steps that a tokenizer may have: their kinds by name, each with its fields. docs/bundle-format.md is the rule.

A step that is not here is refused, and so is one that could multiply a text: no kind makes more than a fixed number of
characters of one, and none but `Replace` and `Split` occurs twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.engine.tokenizers.charsmap import problem_of
from latentlink.engine.tokenizers.fields import (
    Check,
    TokenizerFormatError,
    fields,
    flag,
    items,
    one_of,
    text,
    unexpected,
)
from latentlink.engine.tokenizers.patterns import PATTERNS

MAX_STEPS = 8
MAX_PATTERN = 64

REPEATED = ("Replace", "Split")
"""Kinds of which a tokenizer may have several."""

UNICODE = ("NFC", "NFD", "NFKC", "NFKD", "Precompiled")
"""Kinds that replace a character by several; a tokenizer has one of them at most."""


def _pattern(where: str, value: Any) -> None:
    """`{"String": text}`, or `{"Regex": expression}` with one of `PATTERNS`."""
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"String", "Regex"}:
        raise unexpected(where, value, "String or Regex")
    if "String" in value:
        text(1, MAX_PATTERN)(f"{where}.String", value["String"])
    elif not isinstance(value["Regex"], str) or value["Regex"] not in PATTERNS:
        raise unexpected(f"{where}.Regex", value["Regex"], "one of the expressions of published tokenizers")


def _charsmap(where: str, value: Any) -> None:
    if not isinstance(value, str):
        raise unexpected(where, value, "text")
    if problem := problem_of(value):
        raise TokenizerFormatError(where, problem)


_BYTE_LEVEL = {"add_prefix_space": flag, "trim_offsets": flag, "use_regex": flag}
_METASPACE = {
    "prepend_scheme": one_of("always", "never", "first"),
    "split": flag,
    "add_prefix_space": flag,
    "str_rep": text(1, 1),
}
_BEHAVIORS = one_of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")

NORMALIZERS: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]] = {
    "NFC": ({}, {}),
    "NFD": ({}, {}),
    "NFKC": ({}, {}),
    "NFKD": ({}, {}),
    "Lowercase": ({}, {}),
    "Precompiled": ({"precompiled_charsmap": _charsmap}, {}),
    "Prepend": ({"prepend": text(1, 1)}, {}),
    "Replace": ({"pattern": _pattern, "content": text(0, MAX_PATTERN)}, {}),
    "Strip": ({"strip_left": flag, "strip_right": flag}, {}),
}
"""Steps that change the text: required and optional fields by kind."""

PRE_TOKENIZERS: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]] = {
    "ByteLevel": ({}, _BYTE_LEVEL),
    "Metaspace": ({"replacement": text(1, 1)}, _METASPACE),
    "Split": ({"pattern": _pattern, "behavior": _BEHAVIORS, "invert": flag}, {}),
    "WhitespaceSplit": ({}, {}),
}
"""Steps that divide the text into words, in the same form."""


def check_normalizer(where: str, value: Any) -> None:
    """Null, one of `NORMALIZERS`, or a `Sequence` of them.

    Raises:
        TokenizerFormatError: It is something else, or could multiply a text.
    """
    steps = _steps(where, value, "normalizers", NORMALIZERS)
    unicode = [step["type"] for step in steps if step["type"] in UNICODE]
    if len(unicode) > 1:
        raise TokenizerFormatError(where, f"received {' and '.join(unicode)}, expected one of them")
    for step in steps:
        if step["type"] == "Replace":
            content, most = step["content"], len(step["pattern"].get("String", " "))
            if len(content) > most:
                raise unexpected(f"{where}.content", content, f"at most {most} characters, as the pattern may match")


def check_pre_tokenizer(where: str, value: Any) -> None:
    """Null, one of `PRE_TOKENIZERS`, or a `Sequence` of them.

    Raises:
        TokenizerFormatError: It is something else.
    """
    _steps(where, value, "pretokenizers", PRE_TOKENIZERS)


def _steps(
    where: str, value: Any, listed: str, kinds: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]]
) -> list[dict[str, Any]]:
    """The steps of a list or a single one, each checked."""
    if value is None:
        return []
    steps: list[Any] = [value]
    if isinstance(value, dict) and value.get("type") == "Sequence":
        fields(where, value, {"type": one_of("Sequence"), listed: lambda *_: None})
        steps = items(f"{where}.{listed}", value[listed], MAX_STEPS)
    seen: list[str] = []
    for step in steps:
        kind = step.get("type") if isinstance(step, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise unexpected(f"{where}.type", kind if isinstance(step, dict) else step, f"one of {', '.join(kinds)}")
        if kind in seen and kind not in REPEATED:
            raise TokenizerFormatError(where, f"received {kind} twice, expected it once")
        seen.append(kind)
        required, allowed = kinds[kind]
        fields(f"{where} {kind}", step, {"type": one_of(kind), **required}, allowed)
    return steps
