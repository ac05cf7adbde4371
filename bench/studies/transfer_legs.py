"""Transfer from demo to demo-b and back: the picture after each leg, compared with the wrong decoder's picture.

python -m latentlink.bench.studies.transfer_legs [--pictures 64] [--json] [--sheet OUT.png]

The exit status is 1 if a leg is not at least 10 dB better than the wrong decoder. docs/transfer.md holds its output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.demo.grammar import held_out
from latentlink.engine.quality import psnr
from latentlink.runtime import Pipeline, Stage, chain, transfer
from latentlink.terminal.module import OutFile, command, run_command

if TYPE_CHECKING:
    from PIL.Image import Image

Pictures = Sequence[NDArray[np.uint8]]

AHEAD = 10.0
"""Required gain of every leg over the forced decode, in every picture, in dB."""

FORCED = "forced: demo-b decodes demo's latents"
LEGS = ("after leg 1: demo-b decodes", "after leg 2: back in demo")
OWN = "demo's own picture"
REFINED = "chain: refined in demo-b, strength 0.4"
SAMPLER, STEPS, SEED = "dpmpp_2m", 20, 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransferLegs:
    """The pictures and their PSNR against demo's own.

    Args:
        captions: Caption of each picture.
        pictures: uint8 RGB `[H, W, 3]` for every caption, by the names above.
        psnrs: PSNR in dB of every caption against demo's own picture, by the other names.
    """

    captions: tuple[str, ...]
    pictures: Mapping[str, Pictures]
    psnrs: Mapping[str, tuple[float, ...]]

    def ahead(self, leg: str) -> float:
        """Smallest gain of a leg over the forced decode among the pictures, in dB."""
        return min(ours - forced for ours, forced in zip(self.psnrs[leg], self.psnrs[FORCED], strict=True))


def measure_legs(captions: Sequence[str], *, steps: int = STEPS) -> TransferLegs:
    """Draw captions with demo, transfer the latents to demo-b and back, and decode them in every way."""
    with latentlink.load("demo") as demo, latentlink.load("demo-b") as other:
        made = demo.generate(list(captions), seed=SEED, steps=steps, sampler=SAMPLER)
        there = transfer(made.latents, source=demo, destination=other).latents
        back = transfer(there, source=other, destination=demo).latents
        refined = _refined(captions, demo, other, steps)
        shown = {
            OWN: made.images,
            LEGS[0]: other.decode(there),
            LEGS[1]: demo.decode(back),
            # the pipeline refuses this
            FORCED: other.vae.halves.decode(made.latents.array),
            REFINED: refined,
        }
    pictures = {name: [np.asarray(image) for image in images] for name, images in shown.items()}
    psnrs = {
        name: tuple(psnr(*pair) for pair in zip(pictures[OWN], listed, strict=True))
        for name, listed in pictures.items()
        if name != OWN
    }
    return TransferLegs(captions=tuple(captions), pictures=pictures, psnrs=psnrs)


def table(legs: TransferLegs) -> str:
    """The figures in Markdown."""
    lines = [
        f"| {len(legs.captions)} pictures, against demo's own | mean | worst | best | ahead of forced, at least |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in (*LEGS, FORCED):
        values = legs.psnrs[name]
        ahead = "" if name == FORCED else f"{legs.ahead(name):.1f} dB"
        lines.append(f"| {name} | {np.mean(values):.1f} dB | {min(values):.1f} dB | {max(values):.1f} dB | {ahead} |")
    return "\n".join(lines) + "\n"


def sheet(legs: TransferLegs, count: int) -> Image:
    """The first captions' pictures in a grid, each with its PSNR against demo's own."""
    columns = (OWN, *LEGS, FORCED, REFINED)
    rows = [
        GridRow(
            label=caption,
            cells=tuple(
                GridCell(
                    picture=legs.pictures[name][number],
                    note="" if name in (OWN, REFINED) else f"{legs.psnrs[name][number]:.1f} dB",
                )
                for name in columns
            ),
        )
        for number, caption in enumerate(legs.captions[:count])
    ]
    return grid(columns, rows)


def _refined(captions: Sequence[str], demo: Pipeline, other: Pipeline, steps: int) -> list[Image]:
    stages = [
        Stage(pipeline=demo, steps=steps, sampler=SAMPLER),
        Stage(pipeline=other, steps=steps, sampler=SAMPLER, strength=0.4),
    ]
    return chain(list(captions), stages, seed=SEED).images


@command(__doc__)
@click.option("--pictures", type=click.IntRange(1, 88), default=64, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print every picture's figures as JSON.")
@click.option("--sheet", "out", type=OutFile(".png"), help="Write the first pictures in a grid.")
@click.option("--rows", type=click.IntRange(1), default=5, show_default=True, help="Rows of the grid.")
def main(pictures: int, as_json: bool, out: Path | None, rows: int) -> None:
    """Print the PSNR of held-out captions' pictures against demo's own after each leg."""
    legs = measure_legs([scene.caption for scene in held_out()[:pictures]])
    if out is not None:
        sheet(legs, rows).save(out, optimize=True)
    if as_json:
        psnrs = {name: [round(value, 2) for value in values] for name, values in legs.psnrs.items()}
        click.echo(json.dumps({"captions": legs.captions, "psnrs": psnrs}, indent=2))
    else:
        click.echo(table(legs), nl=False)
    raise SystemExit(0 if all(legs.ahead(leg) >= AHEAD for leg in LEGS) else 1)


if __name__ == "__main__":
    run_command(main)
