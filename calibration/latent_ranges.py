"""Ranges of a model's latents by noise level, measured over its own generations. The guards compare with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import callback
from latentlink.engine.bundle import LatentRange
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.guards import Guard
from latentlink.runtime.request import check_sample
from latentlink.runtime.samplers import CLEAN

LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Noise levels to measure at: of every run, the rows whose levels are nearest to these."""

BATCH = 8
"""Generations in a batch."""

COUNT = 256
"""Default number of generations. A further one exceeds the largest value of a statistic once in 257 times, and hardly
ever by as much as the guards' margins."""

DIGITS = 4
"""Decimals to round to, so that the last bits of another processor do not change the manifest."""


def measure_ranges(
    pipe: Pipeline,
    prompts: Sequence[str],
    *,
    count: int = COUNT,
    steps: int | None = None,
    seed: int = 0,
    on_done: Callable[[int, int], object] | None = None,
) -> tuple[LatentRange, ...]:
    """Generate, and measure the smallest and largest statistics of the latents near each of `LEVELS`.

    It uses the model's own sampler, steps, guidance and size. Generation n takes prompt n, modulo the number of
    prompts, and seed `seed + n`. The ranges have no margins: the guards add theirs.

    Args:
        pipe: The bundle.
        prompts: Prompts typical of its users.
        count: Generations, at least 1.
        steps: Denoising steps; None for the bundle's default.
        seed: Seed of the first generation.
        on_done: Called with (generations done, generations in all).

    Returns:
        Ranges by level, ascending; the first is that of clean latents. There are fewer than `LEVELS` if two levels are
        nearest to the same row.

    Raises:
        UsageError: An argument is not of its type or out of range, or there is no prompt.
        GuardError: A latent is not finite.
    """
    check_sample(prompts, count, steps, seed)
    callback("on_done", on_done)
    finite = Guard.of("on", ())
    measured: list[NDArray[np.float64]] = []
    levels = np.zeros((0, 2))
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        rows: list[NDArray[np.float64]] = []

        def look(at: Progress, rows: list[NDArray[np.float64]] = rows) -> None:
            latents = at.latents()
            finite.latents("denoiser", latents, level=CLEAN)
            rows.append(statistics(latents))

        result = pipe.generate(
            [prompts[number % len(prompts)] for number in numbers],
            seed=[seed + number for number in numbers],
            steps=steps,
            decode=False,
            guard="off",
            on_step=look,
        )
        measured.append(np.stack(rows))
        levels = result.request.table().levels[1:]  # after every row
        if on_done is not None:
            on_done(numbers.stop, count)
    return ranges_of(np.concatenate(measured, axis=1), levels)


def statistics(latents: NDArray[np.floating]) -> NDArray[np.float64]:
    """Means and standard deviations of the channels, and the root mean square: `[B, 2*C + 1]` of `[B, C, h, w]`."""
    values = latents.astype(np.float64)
    rms = np.sqrt((values**2).mean(axis=(1, 2, 3)))
    return np.concatenate([values.mean(axis=(2, 3)), values.std(axis=(2, 3)), rms[:, None]], axis=1)


def ranges_of(measured: NDArray[np.float64], levels: NDArray[np.float64]) -> tuple[LatentRange, ...]:
    """Smallest and largest statistics of the rows nearest to `LEVELS`, of all runs `[R, N, 2*C + 1]`."""
    sizes = np.hypot(levels[:, 0], levels[:, 1])
    shares = levels[:, 1] / sizes
    rows = {int(np.argmin(np.abs(shares - level))) for level in LEVELS}
    ranges = []
    for row in sorted(rows, key=lambda row: float(shares[row])):
        normal = measured[row] / sizes[row]
        pairs = [
            (round(float(low), DIGITS), round(float(high), DIGITS))
            for low, high in zip(normal.min(axis=0), normal.max(axis=0), strict=True)
        ]
        channels = len(pairs) // 2
        ranges.append(
            LatentRange(
                level=round(float(shares[row]), DIGITS),
                mean=tuple(pairs[:channels]),
                std=tuple(pairs[channels:-1]),
                rms=pairs[-1],
            )
        )
    return tuple(ranges)
