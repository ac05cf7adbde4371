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
from latentlink.bench.checkpoints.layout import Checkpoint, Tokenizer
from latentlink.bench.checkpoints.tokenizers import END, write_clip_tokenizer
from latentlink.bench.checkpoints.write import write_checkpoint

SIZES: Mapping[str, Checkpoint] = {
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
        size: One of `SIZES`.
        out: Directory to make.
        seed: Of the weights. At equal seeds, checkpoints of one latent space have one VAE.
        dtype: `float32`, or `float16` for half the disk.
    """
    write_checkpoint(SIZES[size], out, seed=seed, dtype=dtype)
    return out


def write_tokenizer(folder: Path, vocabulary: int) -> None:
    """Write CLIP's tokenizer with `vocabulary` tokens into a new folder."""
    folder.mkdir(parents=True)
    write_clip_tokenizer(folder, Tokenizer(kind="CLIPTokenizer", vocabulary=vocabulary, pad=END, length=77))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in SIZES or sys.argv[3:] not in ([], ["float32"], ["float16"]):
        sys.exit(
            f"usage: python -m latentlink.bench.checkpoints.random_checkpoint {'|'.join(SIZES)} OUT [float32|float16]"
        )
    make_checkpoint(sys.argv[1], Path(sys.argv[2]), dtype=(sys.argv[3:] or ["float32"])[0])
