"""The judge: how many of a model's pictures show their prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from latentlink.calibration.picture_quality import PictureBatch
from latentlink.engine.quality import Quality
from latentlink.runtime import Pipeline
from latentlink.runtime.sessions import Session

BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Prompts, and a function that checks pictures against them.

    Args:
        prompts: Prompts to generate, one picture each.
        shows: Whether a picture, uint8 `[H, W, 3]`, shows the prompt of that number.
    """

    prompts: tuple[str, ...]
    shows: Callable[[int, PictureBatch], bool]

    def count(self, pipe: Pipeline, *, steps: int | None, session: Session | None = None, step_cache: int = 1) -> int:
        """Generate a picture of every prompt, picture n with seed n, and count those that show their prompt.

        Args:
            pipe: The model.
            steps: Denoising steps; None for the model's default.
            session: Denoiser to use instead of the model's; None for its own.
            step_cache: As for `Pipeline.generate`.
        """
        count = 0
        view = pipe.observe(lambda own: own if session is None else session)
        for first in range(0, len(self.prompts), BATCH):
            batch = self.prompts[first : first + BATCH]
            seeds = [first + place for place in range(len(batch))]
            result = view.generate(batch, seed=seeds, steps=steps, step_cache=step_cache, guard="off")
            count += sum(
                self.shows(number, np.asarray(image)) for number, image in zip(seeds, result.images, strict=True)
            )
        return count

    def with_counts(self, quality: Quality, *, reference: int, right: int) -> Quality:
        """The quality, with the counts of pictures that show their prompts, the reference's and the other model's."""
        return replace(quality, judged=len(self.prompts), reference_right=reference, right=right)
