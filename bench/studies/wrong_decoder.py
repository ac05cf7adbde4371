"""Latents of `demo` through the right decoder, through the wrong one, and transferred through a picture.

python -m latentlink.bench.studies.wrong_decoder OUT.png
"""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.demo import NAMES, checkpoint
from latentlink.demo.grammar import held_out
from latentlink.engine.quality import psnr
from latentlink.terminal.module import OutFile, command, run_command

ROWS = 5
COLUMNS = ("decoder of demo", "forced: decoder of demo-b", "moved: decode, encode, decode")


def wrong_decoder(out: Path) -> None:
    """Write the comparison, each picture with its PSNR against the right one.

    Args:
        out: PNG file to write.
    """
    from latentlink.demo.sampling import decode, encode, load_pipeline, sample

    captions = [scene.caption for scene in held_out()[:ROWS]]
    first, second = (load_pipeline(checkpoint(name)) for name in NAMES)
    latents = sample(first, captions, seed=0)
    right = decode(first.vae, latents)
    forced = decode(second.vae, latents)
    moved = decode(second.vae, encode(second.vae, right))
    rows = [
        GridRow(
            label=caption,
            cells=(
                GridCell(picture=right[n], note="right"),
                GridCell(picture=forced[n], note=f"{psnr(right[n], forced[n]):.1f} dB"),
                GridCell(picture=moved[n], note=f"{psnr(right[n], moved[n]):.1f} dB"),
            ),
        )
        for n, caption in enumerate(captions)
    ]
    grid(COLUMNS, rows).save(out, optimize=True)


@command(__doc__)
@click.argument("out", type=OutFile(".png"))
def main(out: Path) -> None:
    """Write the sheet."""
    import torch

    torch.set_num_threads(1)
    wrong_decoder(out)


if __name__ == "__main__":
    run_command(main)
