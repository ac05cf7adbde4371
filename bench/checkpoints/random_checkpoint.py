"""Random-weight checkpoints with the classes and sizes of a real family: the same work, but no usable pictures.

python -m latentlink.bench.checkpoints.random_checkpoint sd15 OUT             # Stable Diffusion 1.5's true size, 4.3 GB
python -m latentlink.bench.checkpoints.random_checkpoint sdxl OUT float16     # Stable Diffusion XL's true size, 6.9 GB
python -m latentlink.bench.checkpoints.random_checkpoint tiny-sdxl OUT        # the same classes, 1 MB

A tiny one of Stable Diffusion 1 or 2 does not state its latent space: export it with --space sd.
"""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.bench.checkpoints.table import CHECKPOINTS, make_checkpoint
from latentlink.terminal.module import NewFolder, command, run_command


@command(__doc__)
@click.argument("name", type=click.Choice([*CHECKPOINTS]))
@click.argument("out", type=NewFolder())
@click.argument("dtype", type=click.Choice(["float32", "float16"]), default="float32")
def main(name: str, out: Path, dtype: str) -> None:
    """Make the checkpoint."""
    make_checkpoint(name, out, dtype=dtype)


if __name__ == "__main__":
    run_command(main)
