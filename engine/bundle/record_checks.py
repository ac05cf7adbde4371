"""Checks of untrusted manifest values: an error names the key, the value received and what was expected."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from latentlink.engine.bundle.printable import is_printable, quoted
from latentlink.errors import BundleError, SymbolError

REMEDY = "Get the bundle again, or build it again: latentlink build EXPORTED BUNDLE."
"""The remedy for a damaged bundle."""

LABEL = re.compile(r"[a-z0-9]+([-_.+][a-z0-9]+)*")
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MAX_LABEL = 64
MAX_TEXT = 1024
MAX_DEPTH = 16
MAX_VALUES = 250_000
MAX_DIM = 1 << 31
"""Largest size of a dimension."""

MAX_INT = 2**53
"""Largest integer: a reader that has only doubles must see the same number."""

_T = TypeVar("_T")


class _Short(reprlib.Repr):
    """Values as messages show them."""

    def repr_str(self, x: str, level: int) -> str:
        """A text, both ends of a long one."""
        whole = quoted(x[: self.maxstring])
        if len(whole) <= self.maxstring:
            return whole
        head = (self.maxstring - 3) // 2
        tail = self.maxstring - 3 - head
        ends = quoted(x[:head] + x[len(x) - tail :])
        return f"{ends[:head]}...{ends[-tail:]}"


_REPR = _Short()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = 4
_REPR.maxlevel = 3


class ManifestError(BundleError):
    """A value of a manifest breaks the format.

    Args:
        where: Path of keys to the value, such as `components.denoiser.engines[0].path`; empty for the whole manifest.
        problem: What is wrong with it: `received 3, expected a string`.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"manifest.json{', ' if where else ''}{where}: {problem}.", remedy=REMEDY)
        self.where = where
        self.problem = problem

    def below(self, prefix: str) -> ManifestError:
        """The same error with a prefix before its path."""
        dot = "." if self.where and not self.where.startswith("[") else ""
        return ManifestError(f"{prefix}{dot}{self.where}", self.problem)


@contextmanager
def inside(where: str) -> Iterator[None]:
    """Put `where` before the path of errors that are raised in the block."""
    try:
        yield
    except ManifestError as error:
        raise error.below(where) from None
    except SymbolError as error:
        raise ManifestError(where, error.message[:400].rstrip(".")) from None


def unexpected(where: str, value: object, expected: str) -> ManifestError:
    """The error for a value, shortened, as untrusted values may be long."""
    return ManifestError(where, f"received {_REPR.repr(value)}, expected {expected}")


def check_tree(value: object) -> None:
    """Refuse values that no key of a manifest may have, before single keys are checked.

    Raises:
        ManifestError: Nesting deeper than 16; NaN, infinity or an integer beyond 2^53; a string or key with
            control characters or longer than 1024; anything that is not JSON.
    """
    open_values: list[tuple[str, object, int]] = [("", value, 0)]
    count = 0
    while open_values:
        where, item, depth = open_values.pop()
        count += 1 + (len(item) if isinstance(item, (list, dict)) else 0)
        if count > 2 * MAX_VALUES:
            raise ManifestError("", f"received more than {MAX_VALUES} values, expected fewer")
        if depth > MAX_DEPTH:
            raise ManifestError(where[:200], f"received values nested deeper than {MAX_DEPTH}, expected flat records")
        if isinstance(item, dict):
            for key, below in item.items():
                check_text(where, key)
                open_values.append((f"{where}.{key}" if where else key, below, depth + 1))
        elif isinstance(item, list):
            open_values.extend((f"{where}[{number}]", below, depth + 1) for number, below in enumerate(item))
        elif isinstance(item, str):
            check_text(where, item)
        elif type(item) is int:
            check_int(where, item, -MAX_INT, MAX_INT)
        elif type(item) is float:
            check_number(where, item, -math.inf)
        elif item is not None and type(item) is not bool:
            raise unexpected(where, item, "a JSON value")


def record_of(value: object, required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Any]:
    """An object with exactly these keys.

    Raises:
        ManifestError: It is no object, lacks a required key or has an unknown one.
    """
    record = mapping_of(value, limit=10_000)
    for key in required:
        if key not in record:
            raise ManifestError("", f"received no key {key!r}, expected the keys {', '.join(required)}")
    for key in record:
        if key not in required and key not in optional:
            known = ", ".join((*required, *optional))
            raise ManifestError("", f"received the unknown key {_REPR.repr(key)}, expected only {known}")
    return record


def mapping_of(value: object, *, limit: int) -> Mapping[str, Any]:
    """An object with at most `limit` keys, all of them strings."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise unexpected("", value, "an object")
    if len(value) > limit:
        raise ManifestError("", f"received {len(value)} keys, expected at most {limit}")
    return value


def list_of(where: str, value: object, *, limit: int) -> Sequence[Any]:
    """A list of at most `limit` values."""
    if not isinstance(value, (list, tuple)):
        raise unexpected(where, value, "a list")
    if len(value) > limit:
        raise ManifestError(where, f"received {len(value)} values, expected at most {limit}")
    return value


def check_int(where: str, value: object, low: int, high: int) -> None:
    """An integer (no bool, no float) in [low, high]."""
    if type(value) is not int or not low <= value <= high:
        raise unexpected(where, value, f"an integer from {low} to {high}")


def check_number(where: str, value: object, low: float, high: float = math.inf) -> None:
    """A finite number (no bool) in [low, high]."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        expected = "a finite number" + (f" of at least {low:g}" if math.isfinite(low) else "")
        raise unexpected(where, value, expected + (f" and at most {high:g}" if math.isfinite(high) else ""))


def check_text(where: str, value: object, limit: int = MAX_TEXT) -> None:
    """Printable text, as it is shown on terminals: no control characters and no lone surrogates."""
    if not isinstance(value, str) or len(value) > limit or not is_printable(value):
        raise unexpected(where, value, f"printable text of at most {limit} characters")


def check_pattern(where: str, value: object, pattern: re.Pattern[str], expected: str, limit: int = MAX_LABEL) -> None:
    """A string that `pattern` matches completely."""
    if not isinstance(value, str) or len(value) > limit or not pattern.fullmatch(value):
        raise unexpected(where, value, f"{expected}, at most {limit} characters")


def check_label(where: str, value: object) -> None:
    """A short lower-case label such as `ort-cpu`, `float32`, `pndm`."""
    check_pattern(where, value, LABEL, "lower-case letters and digits joined by single '-', '_', '.' or '+'")


def each(where: str, value: object, read: Callable[[Any], _T], *, limit: int = 64) -> tuple[_T, ...]:
    """A list whose values are read by `read`; errors name the number of the value."""
    found = []
    for number, item in enumerate(list_of(where, value, limit=limit)):
        with inside(f"{where}[{number}]"):
            found.append(read(item))
    return tuple(found)


def sorted_items(value: object, limit: int, length: int = MAX_LABEL) -> Sequence[tuple[str, Any]]:
    """An object's items sorted by key, so that equal records are written as equal bytes; keys are short text."""
    items = sorted(mapping_of(value, limit=limit).items())
    for key, _ in items:
        check_text("", key, length)
    return items
