"""Checks of single values in a `tokenizer.json`: each says what it expects."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from latentlink.errors import BundleError

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80
_REPR.maxdict = _REPR.maxlist = 4
_REPR.maxlevel = 3


class TokenizerFormatError(BundleError):
    """A value of a `tokenizer.json` is not one that a bundle may have.

    Args:
        where: Path of keys to the value: `model.vocab`.
        problem: What is wrong with it: `received 3, expected text`.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(
            f"tokenizer.json{', ' if where else ''}{where}: {problem}.",
            remedy="docs/bundle-format.md lists the tokenizers that a bundle may have.",
        )


Check: TypeAlias = Callable[[str, Any], None]
"""Raises for a value that is not allowed at a path."""


def unexpected(where: str, value: object, expected: str) -> TokenizerFormatError:
    """The error for a value, which is shortened."""
    return TokenizerFormatError(where, f"received {_REPR.repr(value)}, expected {expected}")


def one_of(*values: object) -> Check:
    """Exactly one of these values, of its type."""

    def check(where: str, value: Any) -> None:
        if not any(type(value) is type(one) and value == one for one in values):
            raise unexpected(where, value, " or ".join("null" if one is None else repr(one) for one in values))

    return check


flag = one_of(True, False)


def text(least: int, most: int) -> Check:
    """Text of so many characters."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise unexpected(where, value, f"text of {least} to {most} characters")

    return check


def optional(inner: Check) -> Check:
    """Null, or what `inner` allows."""

    def check(where: str, value: Any) -> None:
        if value is not None:
            inner(where, value)

    return check


def whole(most: int) -> Check:
    """A whole number from 0."""

    def check(where: str, value: Any) -> None:
        if type(value) is not int or not 0 <= value <= most:
            raise unexpected(where, value, f"a whole number from 0 to {most}")

    return check


def items(where: str, value: Any, most: int) -> list[Any]:
    """A list of at most so many values."""
    if not isinstance(value, list):
        raise unexpected(where, value, "a list")
    if len(value) > most:
        raise TokenizerFormatError(where, f"received {len(value)} values, expected at most {most}")
    return value


def fields(where: str, value: Any, required: Mapping[str, Check], allowed: Mapping[str, Check] | None = None) -> None:
    """An object with these keys and no others, each with a value that its check allows."""
    if not isinstance(value, dict):
        raise unexpected(where, value, "an object")
    known = {**required, **(allowed or {})}
    for key in value:
        if key not in known:
            raise TokenizerFormatError(where, f"received the key {_REPR.repr(key)}, expected only {', '.join(known)}")
    for key, check in known.items():
        if key in value:
            check(f"{where}.{key}" if where else key, value[key])
        elif key in required:
            raise TokenizerFormatError(where, f"received no key {key}, expected one")
