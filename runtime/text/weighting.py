"""Weights in prompts: `a (red:1.3) circle` reads "a", " red" and " circle", the middle one with weight 1.3.

A weight is a number with a decimal point, or exactly 0, 1 or 2. Everything else after a colon is text, so that
`(16:9)` and `(at 10:30)` stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from latentlink.errors import UsageError

# An escaped character is a mark of its own, so that it is never read as a parenthesis or colon.
_MARK = re.compile(r"\\.|[():]", re.DOTALL)
_NUMBER = re.compile(r"\s*([0-9]+\.[0-9]*|\.[0-9]+|[012])\s*")
_ESCAPED = re.compile(r"\\([()\\])")

MAX_WEIGHT = 10.0


def weighted_parts(prompt: str) -> list[tuple[str, float]]:
    """The parts of a prompt with their weights; a prompt without weights is one part of weight 1.

    Raises:
        UsageError: A weight is above `MAX_WEIGHT`.
    """
    parts: list[tuple[str, float]] = []
    end = 0
    for opens, colon, closes in _groups(prompt):
        found = _NUMBER.fullmatch(prompt, colon + 1, closes)
        if found is None:
            continue
        weight = float(found[1])
        if weight > MAX_WEIGHT:
            raise UsageError(
                f"The weight in {prompt[max(opens, closes - 60) : closes + 1]!r} is {weight:g}; expected 0 to "
                f"{MAX_WEIGHT:g}.",
                remedy=r"0.5 to 1.5 are usual; if it is not a weight, write \( for the parenthesis.",
            )
        parts += [(prompt[end:opens], 1.0), (prompt[opens + 1 : colon], weight)]
        end = closes + 1
    parts.append((prompt[end:], 1.0))
    return [(_ESCAPED.sub(r"\1", text), weight) for text, weight in parts if text] or [("", 1.0)]


def _groups(prompt: str) -> Iterator[tuple[int, int, int]]:
    """Positions of `(`, the last `:` and `)` of every innermost pair of parentheses that has a colon.

    Takes a single pass for any prompt.
    """
    opens = colon = -1
    for mark in _MARK.finditer(prompt):
        if mark[0] == "(":
            opens, colon = mark.start(), -1
        elif mark[0] == ":":
            colon = mark.start()
        elif mark[0] == ")":
            if 0 <= opens < colon:
                yield opens, colon, mark.start()
            opens = -1
