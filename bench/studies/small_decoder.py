"""Savings and cost of a smaller decoder.

python -m latentlink.bench.studies.small_decoder [--decoder demo-tiny]

The held-out captions are drawn once and decoded by demo's own decoder and by the other one. The time of decoding one
picture is measured with the two in turns.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import click
import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.studies.accuracy import count_right, psnr_beside
from latentlink.demo.grammar import held_out
from latentlink.runtime import Latents, Pipeline
from latentlink.terminal.module import command, run_command

BATCH = 8
STEPS = 25
SIDES = (64, 256, 512)
RUNS = 7


def seconds(pipe: Pipeline, side: int) -> tuple[float, float]:
    """Median seconds to decode one picture of `side` pixels a side, with the own decoder and with the other one."""
    cells = side // pipe.space.downscale
    array = np.random.default_rng(0).standard_normal((1, pipe.space.channels, cells, cells), np.float32)
    latents = Latents(array=array, space=pipe.space)
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS + 1):
        began = perf_counter()
        pipe.decode(latents, guard="off")
        between = perf_counter()
        pipe.preview(array)
        took[0].append(between - began)
        took[1].append(perf_counter() - between)
    own, other = (median(times[1:]) for times in took)  # the first run of a size takes longer
    return own, other


def pictures_of(pipe: Pipeline) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Pictures of the held-out captions, by each decoder."""
    scenes = held_out()
    drawn: tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]] = ([], [])
    for first in range(0, len(scenes), BATCH):
        lot = scenes[first : first + BATCH]
        made = pipe.generate(
            [scene.caption for scene in lot], seed=[first + number for number in range(len(lot))], steps=STEPS
        )
        for pictures, images in zip(drawn, (made.images, pipe.preview(made.latents.array)), strict=True):
            pictures += [np.asarray(image) for image in images]
    return drawn


@command(__doc__)
@click.option("--decoder", default="demo-tiny", show_default=True, help="Bundle of the other decoder.")
def main(decoder: str) -> None:
    """Print times and quality of both decoders."""
    with latentlink.load("demo", previews=decoder) as pipe:
        for side in SIDES:
            own, other = seconds(pipe, side)
            click.echo(
                f"{side}x{side}: own {own * 1e3:.0f} ms, {decoder} {other * 1e3:.0f} ms, {other / own:.2f} times"
            )
        own_pictures, others = pictures_of(pipe)
    for name, pictures in (("own", own_pictures), (decoder, others)):
        colours, shapes = count_right(pictures, held_out())
        click.echo(f"{name}: {len(pictures)} captions, {STEPS} steps, colours right {colours}, shape right {shapes}")
    middle, worst = psnr_beside(others, own_pictures)
    click.echo(f"{middle:.1f} dB beside the own decoder's pictures (median), worst {worst:.1f}")


if __name__ == "__main__":
    run_command(main)
