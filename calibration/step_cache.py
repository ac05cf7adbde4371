"""What the step cache does to a bundle's pictures: drawn with it and without, at equal prompts and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from latentlink.calibration.accuracy import Judge, judged
from latentlink.calibration.quality import pictures_of, quality_of
from latentlink.engine.manifest import StepCache
from latentlink.errors import UsageError
from latentlink.runtime import Pipeline

COUNT = 32
"""Pictures that are compared where nothing is said."""


def measure_step_cache(
    pipe: Pipeline,
    prompts: Sequence[str],
    every: int,
    *,
    count: int = COUNT,
    steps: int | None = None,
    seed: int = 0,
    judge: Judge | None = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> StepCache:
    """Draw pictures twice and compare them.

    Args:
        pipe: The bundle; its own sampler, guidance and size are used.
        prompts: What its users would ask for. Picture n takes prompt n, beginning again after the last, and the noise
            of `seed + n`.
        every: The whole denoiser runs on every so many steps, at least 2.
        count: Pictures.
        steps: Denoising steps; None takes the bundle's default.
        seed: Of the first picture.
        judge: Says whether pictures show their prompts; None where nobody can.
        on_done: Called with (pictures drawn, pictures to draw).

    Raises:
        UsageError: The bundle has no shallow denoiser that runs here, or there is nothing to compare.
    """
    if every < 2 or count < 1 or not prompts:
        raise UsageError(
            f"Received step_cache {every}, {count} pictures and {len(prompts)} prompts; expected at least 2, 1 and 1."
        )
    asked = [prompts[number % len(prompts)] for number in range(count)]
    made = []
    for turn, interval in enumerate((1, every)):
        counted = partial(_counted, on_done, turn * count, 2 * count)
        made.append(pictures_of(pipe, asked, seed=seed, steps=steps, step_cache=interval, on_done=counted))
    quality = quality_of(*made)
    if judge is not None:
        reference, right = (judge.count(pipe, steps=steps, step_cache=interval) for interval in (1, every))
        quality = judged(quality, judge, reference=reference, right=right)
    return StepCache(every=every, quality=quality)


def _counted(on_done: Callable[[int, int], object], before: int, total: int, done: int) -> None:
    on_done(before + done, total)
