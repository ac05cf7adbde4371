"""The random-weight checkpoints that can be made."""

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
"""Checkpoints by name. Those named tiny have dimensions that no published model has."""


def make_checkpoint(size: str, out: Path, *, seed: int = 0, dtype: str = "float32") -> Path:
    """Write a diffusers checkpoint with random weights.

    Args:
        size: A key of `CHECKPOINTS`.
        out: Directory to make.
        seed: Seed of the weights. At equal seeds, checkpoints of one latent space have the same VAE.
        dtype: `float32`, or `float16` for half the disk.
    """
    write_checkpoint(CHECKPOINTS[size], out, seed=seed, dtype=dtype)
    return out
