"""How often a model draws what it was asked for, where somebody can judge its pictures."""

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
    """Prompts, and who says whether a picture shows them.

    Args:
        prompts: What is drawn, a picture each.
        right: Whether a picture, uint8 `[H, W, 3]`, shows the prompt of that number.
    """

    prompts: tuple[str, ...]
    right: Callable[[int, PictureBatch], bool]

    def count(self, pipe: Pipeline, *, steps: int | None, session: Session | None = None, step_cache: int = 1) -> int:
        """How many pictures show their prompts; picture n takes the noise of seed n.

        Args:
            pipe: The model.
            steps: Of a run; None takes the model's own.
            session: A denoiser to take the place of the model's; None takes its own.
            step_cache: As for `Pipeline.generate`.
        """
        found = 0
        view = pipe.observed(lambda own: own if session is None else session)
        for first in range(0, len(self.prompts), BATCH):
            lot = self.prompts[first : first + BATCH]
            seeds = [first + place for place in range(len(lot))]
            made = view.generate(lot, seed=seeds, steps=steps, step_cache=step_cache, guard="off")
            found += sum(
                self.right(number, np.asarray(image)) for number, image in zip(seeds, made.images, strict=True)
            )
        return found

    def added(self, quality: Quality, *, reference: int, right: int) -> Quality:
        """A quality with how many pictures show their prompts: of the reference, and of what is compared with it."""
        return replace(quality, judged=len(self.prompts), reference_right=reference, right=right)
