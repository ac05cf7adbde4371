"""What a smaller decoder saves and costs: `python -m latentlink.bench.small_decoder [--decoder demo-tiny]`.

The held-out captions, drawn once and decoded by demo's own decoder and by the other; and the time of decoding one
picture, the two in turns.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import click
import numpy as np

import latentlink
from latentlink.demo.check import check
from latentlink.demo.grammar import held_out
from latentlink.runtime import Latents, Pipeline
from latentlink.runtime.transfer import psnr

BATCH = 8
STEPS = 25
SIDES = (64, 256, 512)
RUNS = 7


def seconds(pipe: Pipeline, side: int) -> tuple[float, float]:
    """Median time of one picture of `side` pixels a side, by the own decoder and by the other."""
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


def right(pipe: Pipeline) -> tuple[list[int], list[int], list[float]]:
    """Pictures with right colours, and with the right shape, by each decoder; dB between the two."""
    scenes = held_out()
    colours, shapes, apart = [0, 0], [0, 0], []
    for first in range(0, len(scenes), BATCH):
        lot = scenes[first : first + BATCH]
        made = pipe.generate(
            [scene.caption for scene in lot], seed=[first + number for number in range(len(lot))], steps=STEPS
        )
        both = [[np.asarray(image) for image in images] for images in (made.images, pipe.preview(made.latents.array))]
        apart += [psnr(own, other) for own, other in zip(*both, strict=True)]
        for which, pictures in enumerate(both):
            verdicts = [check(picture, scene) for picture, scene in zip(pictures, lot, strict=True)]
            colours[which] += sum(verdict.right for verdict in verdicts)
            shapes[which] += sum(verdict.right_shape for verdict in verdicts)
    return colours, shapes, apart


@click.command()
@click.option("--decoder", default="demo-tiny", show_default=True, help="Bundle of the other decoder.")
def main(decoder: str) -> None:
    """Print both."""
    with latentlink.load("demo", previews=decoder) as pipe:
        for side in SIDES:
            own, other = seconds(pipe, side)
            click.echo(
                f"{side}x{side}: own {own * 1e3:.0f} ms, {decoder} {other * 1e3:.0f} ms, {other / own:.2f} times"
            )
        colours, shapes, apart = right(pipe)
    click.echo(
        f"{len(apart)} captions, {STEPS} steps, own and {decoder}: colours right {colours}, shape right {shapes}"
    )
    click.echo(f"{median(apart):.1f} dB beside the own decoder's pictures (median), worst {min(apart):.1f}")


if __name__ == "__main__":
    main()
