"""Every random-weight checkpoint that can be made, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latentlink.bench.checkpoints import flux, sd1, sd2, sd3, sdxl
from latentlink.bench.checkpoints.specs import CheckpointSpec
from latentlink.bench.checkpoints.write import write_checkpoint

CHECKPOINTS: Mapping[str, CheckpointSpec] = {
    **sd1.CHECKPOINTS,
    **sd2.CHECKPOINTS,
    **sdxl.CHECKPOINTS,
    **sd3.CHECKPOINTS,
    **flux.CHECKPOINTS,
}
"""Every checkpoint that can be made. Those named tiny have dimensions that no published model has."""


def make_checkpoint(size: str, out: Path, *, seed: int = 0, dtype: str = "float32") -> Path:
    """Write a diffusers checkpoint with random weights.

    Args:
        size: One of `CHECKPOINTS`.
        out: Directory to make.
        seed: Of the weights. At equal seeds, checkpoints of one latent space have one VAE.
        dtype: `float32`, or `float16` for half the disk.
    """
    write_checkpoint(CHECKPOINTS[size], out, seed=seed, dtype=dtype)
    return out
