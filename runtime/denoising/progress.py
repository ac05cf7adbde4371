"""What a caller sees of a run between two rows, and what it may change."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import shown
from latentlink.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a generation.

    Args:
        row: Completed rows of the sampler's table, 1 to `rows`. A two-call solver has two rows per step. Of several
            pictures with different steps, the longest run counts.
        rows: Total number of rows.
        step: The user's step that this row belongs to, 1 to `steps`.
        steps: Total number of steps.
        seconds: Seconds since the first row began.
        latents: Copies the current latent, `[B, C, h, w]`; costs nothing unless called.
        predicted: Computes the finished latent that the row's call predicted, float32 `[B, C, h, w]`; costs nothing
            unless called. Outside of a mask it does not show the picture that is kept.
    """

    row: int
    rows: int
    step: int
    steps: int
    seconds: float
    latents: Callable[[], NDArray[np.floating]] = field(repr=False)
    predicted: Callable[[], NDArray[np.float32]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """What a run does differently from the next row on. None leaves a thing as it is.

    Args:
        guidance: Guidance scale, 0 to 1,000; one, or one per picture. 1 or less turns classifier-free guidance off, so
            that the further rows cost half; a run that began without it cannot turn it on.
        latents: The latent to go on from, `[B, C, h, w]`, at the noise level of `Progress.latents()`.
    """

    guidance: float | Sequence[float] | None = None
    latents: NDArray[np.floating] | None = None


OnStep = Callable[[Progress], Change | bool | None]
"""Called after every row. It may return a `Change`. Any false value but None cancels (False, 0, numpy's False); None
and other true values go on. What it raises ends the run and reaches the caller unchanged."""

EXPECTED = "expected None or True to go on, a latentlink.Change, or False to cancel"


def answer_of(answer: object) -> Change | bool | None:
    """What `on_step` answered: a change, None to go on, or False to end the run.

    Raises:
        UsageError: It is an awaitable, or has no truth value.
    """
    if isinstance(answer, Change):
        return answer
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()  # or Python warns that it was never awaited
        raise UsageError(f"on_step returned {type(answer).__name__}, which nobody awaits; {EXPECTED}.")
    try:
        return None if answer is None or answer else False
    except Exception:  # several numbers of an array have no truth value
        raise UsageError(f"on_step returned {shown(answer)}, which is neither true nor false; {EXPECTED}.") from None
