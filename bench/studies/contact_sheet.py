"""Held-out captions drawn by both demo models, as one picture.

python -m latentlink.bench.studies.contact_sheet OUT.png
"""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.demo import NAMES, checkpoint
from latentlink.demo.grammar import held_out
from latentlink.terminal.module import OutFile, command, run_command

ROWS, SEEDS = 8, 2


def contact_sheet(out: Path) -> None:
    """Write the sheet: a row for each of the first held-out captions, and `SEEDS` columns for each model.

    Args:
        out: PNG file to write.
    """
    from latentlink.demo.sampling import decode, load_pipeline, sample

    captions = [scene.caption for scene in held_out()[:ROWS]]
    pictures = {}
    for name in NAMES:
        pipeline = load_pipeline(checkpoint(name))
        for number in range(SEEDS):
            pictures[name, number] = decode(pipeline.vae, sample(pipeline, captions, 100 * number))
    columns = tuple(pictures)
    rows = [
        GridRow(label=caption, cells=tuple(GridCell(picture=pictures[column][row]) for column in columns))
        for row, caption in enumerate(captions)
    ]
    grid([f"{name}, noise {number + 1}" for name, number in columns], rows).save(out, optimize=True)


@command(__doc__)
@click.argument("out", type=OutFile(".png"))
def main(out: Path) -> None:
    """Write the sheet."""
    import torch

    torch.set_num_threads(1)
    contact_sheet(out)


if __name__ == "__main__":
    run_command(main)
