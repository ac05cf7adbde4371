"""Printing: results on standard output, messages on standard error.

Text is printed as it is: nothing in it is markup, and no line is wrapped. Characters that would move the cursor or
change the reading order are written as escapes such as `\\x1b`, as are those that the terminal's encoding lacks (see
`ending`).
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NoReturn, TextIO

CLOSED_PIPE = 128 + signal.SIGPIPE
"""Exit status if nobody reads what is printed, as of programs that the signal ends."""

_HIDDEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories of control characters, lone surrogates, and line and paragraph separators."""

_REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Bidirectional classes of characters that change the order in which others are shown (CVE-2021-42574)."""


def say(text: str) -> None:
    """Print one line on standard output."""
    _print(shown(text), sys.stdout)


def complain(text: str) -> None:
    """Print one line on standard error."""
    _print(shown(text), sys.stderr)


def say_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = False) -> None:
    """Print rows below their heads, in columns that are as wide as they need to be.

    Args:
        heads: Title of every column.
        rows: Cells by row; a row may be shorter than the heads.
        right: Whether all columns but the first are aligned to the right.
    """
    cells = [[shown(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(_width, column)) for column in zip_longest(*cells, fillvalue="")]
    for row in cells:
        aligned = [
            f"{' ' * (width - _width(cell))}{cell}" if right and at else f"{cell}{' ' * (width - _width(cell))}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        say("  ".join(aligned).rstrip())


def shown(text: str) -> str:
    """A text on one line, in which every character that a terminal would not show is written as an escape."""
    return "".join(_escape(one) if _is_hidden(one) else one for one in text)


def json_text(value: Any) -> str:
    """A value as JSON, which has no infinity and no NaN: both are null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def say_json(value: Any) -> None:
    """Print JSON on standard output."""
    _print(json_text(value), sys.stdout)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is not None:  # it was closed before Python started
        try:
            stream.write(f"{text}\n")
            stream.flush()
        except BrokenPipeError:  # of which click would make the status 1
            end_quietly()


def end_quietly() -> NoReturn:
    """End the process, as nobody reads what it prints.

    Raises:
        SystemExit: Always.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes standard output once more as it exits
    sys.exit(CLOSED_PIPE)


def _is_hidden(one: str) -> bool:
    return unicodedata.category(one) in _HIDDEN or unicodedata.bidirectional(one) in _REORDERING


def _escape(one: str) -> str:
    return one.encode("unicode_escape", "backslashreplace").decode("ascii")


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: East Asian wide characters take two, combining ones none."""
    wide = {"W": 2, "F": 2}
    return sum(0 if unicodedata.combining(one) else wide.get(unicodedata.east_asian_width(one), 1) for one in text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
