"""Weights in prompts: `a (red:1.3) circle` reads "a ", "red" and " circle", the middle one with weight 1.3.

The rules are those of AUTOMATIC1111's web UI (`parse_prompt_attention`) and ComfyUI: weights within weights multiply,
and parentheses without a number weight by 1.1, so that `((red:1.2))` has weight 1.32. Two exceptions leave a prompt
without weights and backslashes as diffusers reads it. Parentheses are text if the outermost pair around them contains
no weight. And a weight is a number with a decimal point, or exactly 0, 1 or 2, so that `(16:9)` and `(at 10:30)` stay
what they are.

A parenthesis without a partner is text, and so are square brackets and all other syntax of the web UI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from latentlink.errors import UsageError

# An escaped character is a mark of its own, so that it is never read as a parenthesis or colon.
_MARK = re.compile(r"\\.|\(|(?::\s*([0-9]+\.[0-9]*|\.[0-9]+|[012])\s*)?\)", re.DOTALL)
_ESCAPED = re.compile(r"\\([()\\])")

MAX_WEIGHT = 10.0
PLAIN = 1.1
"""Weight of parentheses without a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A pair of parentheses.

    Args:
        opens: Position of the first.
        closes: Position of what ends the words: the colon before a weight, or the second parenthesis.
        end: Position after the second.
        weight: Its number, or None.
    """

    opens: int
    closes: int
    end: int
    weight: float | None


def weighted_parts(prompt: str) -> list[tuple[str, float]]:
    """The parts of a prompt with their weights; a prompt without weights is one part of weight 1.

    Raises:
        UsageError: A weight, or the product of weights, is above `MAX_WEIGHT`.
    """
    bounds: list[tuple[int, int, _Group | None]] = []
    for group in _weighted(_groups(prompt)):
        bounds += [(group.opens, group.opens + 1, group), (group.closes, group.end, None)]
    parts: list[tuple[str, float]] = []
    weights, end = [1.0], 0
    for start, after, opened in sorted(bounds, key=lambda bound: bound[0]):
        parts.append((prompt[end:start], weights[-1]))
        if opened is None:
            weights.pop()
        else:
            weights.append(_product(prompt, opened, weights[-1]))
        end = after
    parts.append((prompt[end:], 1.0))
    return [(_ESCAPED.sub(r"\1", text), weight) for text, weight in parts if text] or [("", 1.0)]


def _groups(prompt: str) -> list[_Group]:
    """All pairs of parentheses, by position. Takes a single pass for any prompt."""
    groups, open_ones = [], []
    for mark in _MARK.finditer(prompt):
        if mark[0] == "(":
            open_ones.append(mark.start())
        elif not mark[0].startswith("\\") and open_ones:
            weight = None if mark[1] is None else float(mark[1])
            groups.append(_Group(opens=open_ones.pop(), closes=mark.start(), end=mark.end(), weight=weight))
    return sorted(groups, key=lambda group: group.opens)


def _weighted(groups: Sequence[_Group]) -> Iterator[_Group]:
    """The groups whose outermost group has a weight, or contains one that has."""
    first = 0
    while first < len(groups):
        last = first + 1
        while last < len(groups) and groups[last].opens < groups[first].end:
            last += 1
        if any(group.weight is not None for group in groups[first:last]):
            yield from groups[first:last]
        first = last


def _product(prompt: str, group: _Group, outer: float) -> float:
    """The weight of the words in a group that is itself in others."""
    own = PLAIN if group.weight is None else group.weight
    for weight in (own, outer * own):
        if weight > MAX_WEIGHT:
            raise UsageError(
                f"The weight in {prompt[max(group.opens, group.end - 61) : group.end]!r} is {weight:g}; expected 0 to "
                f"{MAX_WEIGHT:g}.",
                remedy=r"0.5 to 1.5 are usual; if it is not a weight, write \( for the parenthesis.",
            )
    return outer * own
