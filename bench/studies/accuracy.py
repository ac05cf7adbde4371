"""Bundles of a demo model compared with a reference bundle, such as quantised ones with float32.

python -m latentlink.bench.studies.accuracy REFERENCE BUNDLE ... [--steps 25] [--guidance 5]

A bundle is `BUNDLE[@TARGET][+step_cache=N]`. Each draws every held-out caption at equal seeds; bundles take turns
within a batch, so that load affects all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import click
import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.against import read_our_side
from latentlink.demo.check import check
from latentlink.demo.grammar import Scene, held_out
from latentlink.engine.quality import psnr
from latentlink.terminal.module import command, run_command

BATCH = 8

Pictures = Sequence[NDArray[np.uint8]]
"""uint8 `[H, W, 3]`."""


def count_right(pictures: Pictures, scenes: Sequence[Scene]) -> tuple[int, int]:
    """Number of pictures with the caption's colours, and with its shape."""
    verdicts = [check(picture, scene) for picture, scene in zip(pictures, scenes, strict=True)]
    return sum(verdict.right for verdict in verdicts), sum(verdict.right_shape for verdict in verdicts)


def psnr_beside(pictures: Pictures, reference: Pictures) -> tuple[float, float]:
    """PSNR against the reference's pictures in dB: median and worst."""
    found = [psnr(one, other) for one, other in zip(reference, pictures, strict=True)]
    return median(found), min(found)


@command(__doc__)
@click.argument("reference")
@click.argument("bundles", nargs=-1, required=True)
@click.option("--steps", type=click.IntRange(1), default=25, show_default=True, help="Denoising steps.")
@click.option("--guidance", default=5.0, show_default=True, help="Classifier-free guidance.")
def main(reference: str, bundles: tuple[str, ...], steps: int, guidance: float) -> None:
    """Print a row per bundle."""
    scenes = held_out()
    pictures_by_bundle: list[list[NDArray[np.uint8]]] = [[] for _ in (reference, *bundles)]
    seconds: list[list[float]] = [[] for _ in pictures_by_bundle]
    with ExitStack() as stack:
        sides = [read_our_side(text) for text in (reference, *bundles)]
        pipes = [stack.enter_context(latentlink.load(one.bundle, target=one.target)) for one in sides]
        for first in range(0, len(scenes), BATCH):
            lot = scenes[first : first + BATCH]
            seeds = [first + number for number in range(len(lot))]
            for one, pipe, pictures, times in zip(sides, pipes, pictures_by_bundle, seconds, strict=True):
                captions, every = [scene.caption for scene in lot], one.settings.get("step_cache", 1)
                made = pipe.generate(captions, seed=seeds, steps=steps, guidance=guidance, step_cache=every)
                pictures += [np.asarray(image) for image in made.images]
                times.append(made.timings["denoiser_engine"] / steps)
    click.echo(f"{len(scenes)} captions, {steps} steps, guidance {guidance:g}, {BATCH} a batch\n")
    click.echo("| bundle | colours | shape | PSNR, median and worst | engine files | ms a step | times as fast |")
    click.echo("|---|--:|--:|--:|--:|--:|--:|")
    for name, pipe, pictures, times in zip((reference, *bundles), pipes, pictures_by_bundle, seconds, strict=True):
        colours, shapes = count_right(pictures, scenes)
        apart = (
            ""
            if pictures is pictures_by_bundle[0]
            else "{:.1f}, {:.1f} dB".format(*psnr_beside(pictures, pictures_by_bundle[0]))
        )
        entry = pipe.manifest.components["denoiser"].engines[0]
        folder = str(Path(entry.path).parent)
        size = sum(file.size for path, file in pipe.manifest.files.items() if path.startswith(f"{folder}/"))
        # the first batch also allocates memory
        faster = median(a / b for a, b in zip(seconds[0][1:], times[1:], strict=True))
        click.echo(
            f"| {name}, {entry.precision} | {colours} | {shapes} | {apart} | {size / 1e6:.2f} MB "
            f"| {median(times[1:]) * 1e3:.1f} | {faster:.2f} |"
        )


if __name__ == "__main__":
    run_command(main)
