"""What a mutation did, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One change of a file.

    Args:
        what: Kind of change and where, without the values: findings are grouped by it.
        detail: The values.
    """

    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.detail})" if self.detail else self.what


Mutate: TypeAlias = Callable[[Random, Path], Mutation]
"""Changes a case in place; all that it does follows from the random numbers and the case."""


def short(value: object, most: int = 60) -> str:
    """A value in few characters."""
    text = ascii(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
