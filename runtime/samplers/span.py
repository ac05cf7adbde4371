"""The part of a run that is executed: from a noised picture, or before or after another model's part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latentlink.runtime.samplers.schedules.refusal import refusal
from latentlink.runtime.samplers.solvers.table import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The rows of a whole run that are executed.

    Attributes:
        strength: Share of the steps, from 0 to 1, counted from the end; ignored if `start` is given.
        start: Share of the training timesteps, from 0 to below 1, that were done before; None if none were.
        end: Share of the training timesteps, above 0 to 1, after which to stop; None to run to the end.

    Raises:
        UsageError: A value is out of range, or `start` is not below `end`.
    """

    strength: float = 1.0
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        _check_share("strength", self.strength)
        if self.start is not None:
            _check_share("denoising_start", self.start)
        if self.end is not None:
            _check_share("denoising_end", self.end)
        if self.start is not None and self.start >= (1.0 if self.end is None else self.end):
            raise refusal(
                f"denoising_start {self.start} with {'the end' if self.end is None else 'denoising_end'} at "
                f"{1 if self.end is None else self.end}",
                "a start below the end",
                "Both are shares of the whole run.",
            )

    def __str__(self) -> str:
        """The request, with the option names of `Pipeline.generate`."""
        parts = [f"denoising_start {self.start}" if self.start is not None else f"strength {self.strength}"]
        if self.end is not None:
            parts.append(f"denoising_end {self.end}")
        return " and ".join(parts)

    def begin(self, whole: Sequence[Row], *, steps: int, calls: int, T: int, rounds_up: bool) -> int:
        """The first step that is executed: t_start in the img2img pipelines of diffusers.

        Args:
            whole: Rows of the whole run.
            steps: Steps of the whole run.
            calls: Calls of the denoiser per step.
            T: Timesteps of training.
            rounds_up: Whether a step that `strength` cuts in two is executed, as in pipelines of flow-matching models.
        """
        if self.start is None:
            kept = min(steps * self.strength, steps)
            return int(steps - kept) if rounds_up else steps - int(kept)
        if self.start == 0:
            return 0
        left = sum(row.t < _cutoff(self.start, T) for row in whole)
        if calls == 2 and left % 2 == 0:
            left += 1  # a step of two calls is not cut in two; the last one has one call
        return (len(whole) - left) // calls

    def until_end(self, rows: Sequence[Row], *, T: int) -> Sequence[Row]:
        """The rows of a run before `end`, which can cut a step of two calls in two."""
        if self.end is None:
            return rows
        return rows[: sum(row.t >= _cutoff(self.end, T) for row in rows)]


def _check_share(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 <= value <= 1):  # type: ignore[operator]
        raise refusal(f"{name} {value!r}", "a number from 0 to 1", f"Leave {name} out for a whole run.")


def _cutoff(share: float, T: int) -> int:
    """The timestep below which rows come after this share of the whole run (Podell et al. 2023, section 2.5)."""
    return round(T - share * T)
