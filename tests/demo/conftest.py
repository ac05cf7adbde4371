"""Latents that diffusers makes with the demo checkpoints, once for all tests and workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.conftest import Alone

CAPTIONS = 64
"""Held-out captions that are sampled, the first ones; picture n of seed n."""


@pytest.fixture(scope="session")
def latents_of(shared: Path, alone: Alone) -> Callable[[str], NDArray[np.float32]]:
    """Latents of the first 64 held-out captions by a demo checkpoint in diffusers, float32 `[64, 4, 8, 8]`."""
    from latentlink.demo import checkpoint
    from latentlink.demo.grammar import held_out
    from latentlink.demo.sampling import load_pipeline, sample

    def latents(name: str) -> NDArray[np.float32]:
        path = shared / "made" / f"{name}-latents.npy"
        with alone(path.with_suffix(".lock")):
            if not path.is_file():
                captions = [scene.caption for scene in held_out()[:CAPTIONS]]
                np.save(path, sample(load_pipeline(checkpoint(name)), captions, seed=0).numpy())
        made: NDArray[np.float32] = np.load(path)
        return made

    return latents
