"""Weights in prompts: `a (red:1.3) circle` reads "a", " red" and " circle", the middle one with weight 1.3."""

from __future__ import annotations

import re

from latentlink.errors import UsageError

# Parentheses count only around `words:number`; all others, and escaped ones, are text.
_WEIGHTED = re.compile(r"(?<!\\)\(((?:[^()\\]|\\.)*):\s*([0-9]*\.?[0-9]+)\s*\)")
_ESCAPED = re.compile(r"\\([()\\])")

MAX_WEIGHT = 10.0


def weighted_parts(prompt: str) -> list[tuple[str, float]]:
    """The parts of a prompt with their weights; a prompt without weights is one part of weight 1.

    Raises:
        UsageError: A weight is above `MAX_WEIGHT`.
    """
    parts: list[tuple[str, float]] = []
    end = 0
    for found in _WEIGHTED.finditer(prompt):
        weight = float(found[2])
        if weight > MAX_WEIGHT:
            raise UsageError(
                f"The weight in {found[0]!r} is {weight:g}; expected 0 to {MAX_WEIGHT:g}.",
                remedy=r"0.5 to 1.5 are usual; where it is no weight, write \( for the parenthesis.",
            )
        parts += [(prompt[end : found.start()], 1.0), (found[1], weight)]
        end = found.end()
    parts.append((prompt[end:], 1.0))
    return [(_ESCAPED.sub(r"\1", text), weight) for text, weight in parts if text] or [("", 1.0)]
