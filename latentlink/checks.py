"""Checks of arguments, where they enter: each returns the value in one known type, or says what was expected."""

from __future__ import annotations

import inspect
import os
import stat
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from latentlink.errors import UsageError
from latentlink.options import MAX_THREADS

MAX_SHOWN = 120
"""Characters of a value that a message shows."""

MAX_NAME, MAX_PATH = 255, 4095
"""Bytes of one name in a path and of a whole path, on Linux (limits.h)."""


def shown(value: object) -> str:
    """A value for a message: one short line, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an int of thousands of digits, or a class whose __repr__ fails
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def whole(name: str, value: object, least: int, most: int) -> int:
    """A whole number from `least` to `most`, given as int or numpy scalar.

    Raises:
        UsageError: It is not one.
    """
    plain = to_python(value)
    if type(plain) is not int or not least <= plain <= most:
        raise UsageError(f"{name} is {shown(plain)}; expected a whole number from {least} to {most}.")
    return plain


def check_threads(value: object) -> int:
    """The argument `threads`.

    Raises:
        UsageError: It is no whole number from 1 to `MAX_THREADS`.
    """
    return whole("threads", value, 1, MAX_THREADS)


def byte_count(name: str, value: object) -> int:
    """A number of bytes above 0, given as int or numpy scalar.

    Raises:
        UsageError: It is not one.
    """
    plain = to_python(value)
    if type(plain) is not int or plain < 1:
        raise UsageError(f"{name} is {shown(plain)}; expected a number of bytes above 0, or None for no budget.")
    return plain


def truth(name: str, value: object) -> bool:
    """True or False, also numpy's.

    Raises:
        UsageError: It is another value.
    """
    plain = to_python(value)
    if not isinstance(plain, bool):
        raise UsageError(f"{name} is {shown(value)}; expected True or False.")
    return plain


def choice(name: str, value: object, known: Sequence[str]) -> str:
    """One of the known texts.

    Raises:
        UsageError: It is another value.
    """
    if not isinstance(value, str) or value not in known:
        near = get_close_matches(value, known, 1) if isinstance(value, str) else []
        raise UsageError(
            f"Unknown {name} {shown(value)}; expected one of: {', '.join(known)}.",
            remedy=f"Did you mean {near[0]!r}?" if near else "",
        )
    return str(value)


def texts(name: str, value: object) -> tuple[str, ...]:
    """Several texts, given as a list or tuple: a single text is a mistake, not a list of its letters.

    Raises:
        UsageError: It is another value.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{name} is {shown(value)}; expected a list of texts.")
    return tuple(value)


def path_of(name: str, value: object) -> Path:
    """A path that the system can look up, given as text or `os.PathLike`.

    Raises:
        UsageError: It is another value, empty, or no possible path.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise UsageError(f"{name} is {shown(value)}; expected a path, as str or pathlib.Path.")
    if (wrong := _impossible(text)) is not None:
        raise UsageError(f"{name} is {shown(text)}, which {wrong}; expected the path of a file or folder.")
    return Path(text)


def _impossible(path: str) -> str | None:
    """Why no file can have this path; None if one can."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        return "is no text"
    if not raw or b"\0" in raw:
        return "holds the character NUL" if raw else "is empty"
    return "is too long for a path" if len(raw) > MAX_PATH or max(map(len, raw.split(b"/"))) > MAX_NAME else None


def check_input(path: str | Path, expected: str) -> Path:
    """A path to read from, if a regular file is there; links are followed.

    Args:
        path: The path.
        expected: What the file should be, for the message: `a picture`.

    Raises:
        UsageError: Nothing is there, or a folder, device, pipe or socket.
        OSError: It cannot be looked at.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if str(path) == "-":
            raise UsageError(
                f"Standard input is not read; expected the name of {expected}.", remedy="Write it to a file first."
            ) from None
        raise UsageError(f"There is no file {str(path)!r}; expected {expected}.") from None
    if not stat.S_ISREG(mode):
        found = "folder" if stat.S_ISDIR(mode) else "device, pipe or socket"
        raise UsageError(
            f"{str(path)!r} is a {found}; expected {expected}.",
            remedy="" if stat.S_ISDIR(mode) else "Write it to a file first.",
        )
    return Path(path)


def instance(name: str, value: object, kind: type, remedy: str = "") -> None:
    """Refuse a value that is not of a class.

    Args:
        name: Name of the argument.
        value: Its value.
        kind: The expected class.
        remedy: What makes one, for the message.

    Raises:
        UsageError: It is of another class.
    """
    if not isinstance(value, kind):
        raise UsageError(f"{name} is {shown(value)}; expected {kind.__name__}.", remedy=remedy)


def callback(name: str, value: object) -> None:
    """Refuse what cannot be called as a plain function; None is no callback.

    A coroutine function or a generator function would return at once without running.

    Raises:
        UsageError: It is not a function, or an `async` or generator one.
    """
    if value is None:
        return
    if not callable(value):
        raise UsageError(f"{name} is {shown(value)}; expected a function, or None.")
    for function in (value, getattr(value, "__call__", None)):  # noqa: B004 - the method of an object, to look into
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(
                f"{name} is an async function, which would never be awaited; expected a plain one.",
                remedy="From a plain one, loop.call_soon_threadsafe reaches an event loop.",
            )
        if inspect.isgeneratorfunction(function):
            raise UsageError(f"{name} is a generator function, whose body would never run; expected a plain one.")


def callbacks(**named: Callable[..., Any] | None) -> None:
    """Check several callbacks by name; see `callback`."""
    for name, value in named.items():
        callback(name, value)


def to_python(value: object) -> Any:
    """A numpy scalar as the built-in type; other values as they are."""
    numpy = sys.modules.get("numpy")  # there is no such value before it was imported
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value
