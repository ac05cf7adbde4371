"""Large pictures in several passes and in one: prints the tables.

python -m latentlink.bench.studies.tiled OUT.png

OUT.png shows a picture decoded whole, decoded in passes, their difference times ten, and the same difference for tiles
that are each decoded alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import click
import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.cost import provenance
from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.demo.draw import draw
from latentlink.demo.grammar import held_out
from latentlink.engine.quality import psnr
from latentlink.runtime.vae.budget import peak_of, resident_bytes
from latentlink.runtime.vae.tiling import Array, Axis, Mosaic, cut, in_passes
from latentlink.terminal.module import OutFile, command, run_command

Picture = NDArray[np.uint8]

SIDES = (256, 512)
SHARES = (1 / 2, 1 / 4)
"""Budgets as shares of the peak of one pass over the whole picture."""

PROMPTS = {
    "generated, flat": "a red circle on a blue background",
    "generated, black": "a large white star on a black background",
}
DRAWN = {"drawn, flat": "flat", "drawn, outlined": "outlined"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRun:
    """One decode in its own process.

    Args:
        picture: uint8 `[H, W, 3]`.
        passes: Number of passes.
        megabytes: Peak resident memory above the level before, in 10^6 bytes, including the search for what fits.
        seconds: Seconds of decoding, including that search.
    """

    picture: Picture
    passes: int
    megabytes: float
    seconds: float


def print_line(line: str) -> None:
    """Print one line of the tables immediately."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@cache
def latents_of(bundle: str, side: int) -> Mapping[str, latentlink.Latents]:
    """Latents of square pictures: two generated, two drawn and encoded."""
    found = {}
    with latentlink.load(bundle) as pipe:
        for name, prompt in PROMPTS.items():
            found[name] = pipe.generate(prompt, seed=0, steps=20, width=side, height=side, decode=False).latents
        for name, style in DRAWN.items():
            found[name] = pipe.encode(draw(held_out()[0], style, np.random.default_rng(0), side))
    return found


def decode_and_measure(bundle: str, array: NDArray[np.floating], memory: int | None) -> DecodeRun:
    """Decode in this process, which must be a new one: reused memory would not show."""
    with latentlink.load(bundle, vae_memory=memory, threads=1) as pipe:
        latents = latentlink.Latents(array=array, space=pipe.space)
        pictures: list[Picture] = []
        side = [size * pipe.space.downscale for size in array.shape[2:]]
        before, began = resident_bytes(), perf_counter()
        peak = peak_of(lambda: pictures.append(np.asarray(pipe.decode(latents)[0])))
        seconds = perf_counter() - began
        return DecodeRun(
            picture=pictures[0],
            passes=pipe.vae.halves.passes(width=side[1], height=side[0], encode=False, decode=True).get(
                "vae_decoder", 1
            ),
            megabytes=(peak - before) / 1e6,
            seconds=seconds,
        )


def plain(length: int, canvas: int) -> Axis:
    """Tiles of the size of the canvas, decoded separately, that overlap by a quarter of a side, as in other systems."""
    count = -(-(length - canvas // 4) // (canvas - canvas // 4))
    starts = tuple(number * (length - canvas) // (count - 1) for number in range(count))
    return Axis(length=length, tile=canvas, starts=starts, together=1)


def through(decode: Callable[[Array], Picture], array: Array, canvas: int, how: Callable[[int, int], Axis]) -> Picture:
    """Decode a latent `[1, C, h, w]` in canvases with sides of `canvas` latent elements."""
    mosaic = Mosaic(rows=how(array.shape[2], canvas), columns=how(array.shape[3], canvas))
    made = in_passes(lambda parts: decode(np.moveaxis(parts[0], -1, 0)[None]), [np.moveaxis(array[0], 0, -1)], mosaic)
    return np.rint(made).clip(0, 255).astype(np.uint8)


def budgets(bundle: str) -> None:
    """Print passes, peak memory, seconds and PSNR against the whole decode, by budget."""
    print_line(f"\n### {bundle}, by budget\n")
    print_line("| picture | side | budget MB | passes | peak MB | seconds | PSNR dB |\n|---|--:|--:|--:|--:|--:|--:|")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for side in SIDES:
            for name, latents in latents_of(bundle, side).items():
                whole = pool.submit(decode_and_measure, bundle, latents.array, None).result()
                print_line(f"| {name} | {side} | none | 1 | {whole.megabytes:.0f} | {whole.seconds:.2f} | |")
                for share in SHARES:
                    memory = int(whole.megabytes * share * 1e6)
                    tiled = pool.submit(decode_and_measure, bundle, latents.array, memory).result()
                    print_line(
                        f"| {name} | {side} | {memory / 1e6:.0f} | {tiled.passes} | {tiled.megabytes:.0f} | "
                        f"{tiled.seconds:.2f} | {psnr(whole.picture, tiled.picture):.1f} |",
                    )


def tilings(bundle: str) -> list[GridRow]:
    """Compare mosaics and plain tiles on canvases of equal size, and print the table.

    Returns:
        Rows of the picture, for canvases of half the side.
    """
    print_line(f"\n### {bundle}, on equal canvases\n")
    print_line("| picture | side | canvas | mosaic: passes | dB | worst | plain tiles: passes | dB | worst |")
    print_line("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    rows = []
    with latentlink.load(bundle) as pipe:

        def decode(array: Array) -> Picture:
            return np.asarray(pipe.decode(latentlink.Latents(array=np.ascontiguousarray(array), space=pipe.space))[0])

        for side in SIDES:
            for name, latents in latents_of(bundle, side).items():
                whole, length = decode(latents.array), side // pipe.space.downscale
                for canvas in (length // 2, length * 3 // 4):
                    cells, found = [], []
                    for how in (cut, plain):
                        made = through(decode, latents.array, canvas, how)
                        difference = np.abs(made.astype(np.int16) - whole)
                        passes = (len(how(length, canvas).starts) // how(length, canvas).together) ** 2
                        found.append(f"{passes} | {psnr(whole, made):.1f} | {difference.max()}")
                        shown = np.minimum(10 * difference, 255).astype(np.uint8)
                        cells.append((made, shown, f"{psnr(whole, made):.1f} dB"))
                    print_line(f"| {name} | {side} | {canvas * pipe.space.downscale} | {found[0]} | {found[1]} |")
                    if side == SIDES[-1] and canvas == length // 2:
                        (made, shown, note), (_, alone, other) = cells
                        rows.append(
                            GridRow(
                                label=f"{bundle}: {name}, {side}x{side}",
                                cells=(
                                    GridCell(picture=whole),
                                    GridCell(picture=made, note=note),
                                    GridCell(picture=shown, note=note),
                                    GridCell(picture=alone, note=other),
                                ),
                            )
                        )
    return rows


COLUMNS = ("one pass", "in passes of a quarter", "difference x 10", "difference x 10 of tiles decoded alone")


@command(__doc__)
@click.argument("out", type=OutFile(".png"))
def main(out: Path) -> None:
    """Print the tables and write the picture."""
    print_line(", ".join(f"{name} {value}" for name, value in provenance().items()))
    rows = []
    for bundle in ("demo", "demo-b"):
        budgets(bundle)
        rows += tilings(bundle)[1::2]
    grid(COLUMNS, rows, side=256).save(out, optimize=True)


if __name__ == "__main__":
    run_command(main)
