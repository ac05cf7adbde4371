"""Random-weight checkpoints of a real family's classes and sizes: the work without the pictures.

python -m latentlink.bench.checkpoints.random_checkpoint sd15 OUT             # Stable Diffusion 1.5's true size, 4.3 GB
python -m latentlink.bench.checkpoints.random_checkpoint sdxl OUT float16     # Stable Diffusion XL's true size, 6.9 GB
python -m latentlink.bench.checkpoints.random_checkpoint tiny-sdxl OUT        # the same classes, 1 MB
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from latentlink.bench.checkpoints import flux, sd1, sd2, sd3, sdxl
from latentlink.bench.checkpoints.specs import CheckpointSpec, TokenizerSpec
from latentlink.bench.checkpoints.tokenizers import END, write_clip_tokenizer
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


def write_small_tokenizer(folder: Path, vocabulary: int) -> None:
    """Write CLIP's tokenizer with `vocabulary` tokens into a new folder."""
    folder.mkdir(parents=True)
    write_clip_tokenizer(folder, TokenizerSpec(kind="CLIPTokenizer", vocabulary=vocabulary, pad=END, length=77))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) < 2 or arguments[0] not in CHECKPOINTS or arguments[2:] not in ([], ["float32"], ["float16"]):
        names = "|".join(CHECKPOINTS)
        sys.exit(f"usage: python -m latentlink.bench.checkpoints.random_checkpoint {names} OUT [float32|float16]")
    make_checkpoint(arguments[0], Path(arguments[1]), dtype=(arguments[2:] or ["float32"])[0])
