"""Savings and cost of guidance within an interval of noise levels, on a demo model.

python -m latentlink.bench.studies.guidance_interval [--model demo] [--interval LOW HIGH ...] [--seed 0]

Every held-out caption is drawn with each interval at equal seeds. Seconds are those of the denoiser's calls; intervals
take turns within a batch, so that load affects all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median
from time import perf_counter
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.studies.accuracy import count_right, psnr_beside
from latentlink.demo.grammar import held_out
from latentlink.runtime import Pipeline
from latentlink.runtime.denoising import guided_rows
from latentlink.terminal.module import command, run_command

BATCH = 8
INTERVALS = ((0.28, 5.42), (0.0, 5.42), (0.28, inf), (0.5, 3.0), (1.0, inf))
"""The paper's interval for SD-XL first, then each of its ends alone, a narrower one, and the noisy half."""


@dataclass(slots=True, kw_only=True)
class IntervalResult:
    """Results of one interval for all captions.

    Args:
        pictures: uint8 `[H, W, 3]`, in the captions' order.
        seconds: Seconds of calls outside (False) and inside (True) the interval.
        run: Seconds inside the engine, one value per batch.
    """

    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    seconds: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    run: list[float] = field(default_factory=list)


def draw_batch(
    pipe: Pipeline, interval: tuple[float, float] | None, captions: Sequence[str], seed: int, into: IntervalResult
) -> None:
    """Draw one batch and record the time of each call."""
    ends = [perf_counter()]
    result = pipe.generate(
        captions,
        seed=[seed + number for number in range(len(captions))],
        guidance_interval=interval,
        on_step=lambda _: ends.append(perf_counter()),
    )
    rows = guided_rows(pipe.linked.denoiser, result.request, result.request.table()).tolist()
    calls = [after - before for before, after in pairwise(ends)]
    # the first call also includes the time before the loop
    for guided, seconds in list(zip(rows, calls, strict=True))[1:]:
        into.seconds[guided].append(seconds)
    into.pictures += [np.asarray(image) for image in result.images]
    into.run.append(result.timings["denoiser_engine"])


def report(results: dict[str, IntervalResult]) -> list[dict[str, Any]]:
    """A row per interval; the first one has guidance everywhere."""
    whole, *_ = results.values()
    rows = []
    for name, one in results.items():
        colours, shapes = count_right(one.pictures, held_out())
        middle, worst = psnr_beside(one.pictures, whole.pictures)
        calls = {kind: len(seconds) for kind, seconds in one.seconds.items()}
        each = {kind: median(seconds) * 1e3 if seconds else None for kind, seconds in one.seconds.items()}
        rows.append(
            {
                "interval": name,
                "guided": calls[True] / sum(calls.values()),
                "inside_ms": each[True],
                "outside_ms": each[False],
                "time": sum(one.run) / sum(whole.run),
                "right": colours,
                "right_shape": shapes,
                "psnr": None if one is whole else middle,
                "worst": None if one is whole else worst,
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]], captions: int) -> str:
    """The rows in Markdown."""
    lines = [
        "| interval | calls guided | ms a call inside | outside | time of the engine | colours right | shape right "
        "| PSNR beside full guidance, median | worst |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        inside, outside = ("" if row[key] is None else f"{row[key]:.1f}" for key in ("inside_ms", "outside_ms"))
        typical, worst = ("" if row[key] is None else f"{row[key]:.1f} dB" for key in ("psnr", "worst"))
        lines.append(
            f"| {row['interval']} | {row['guided']:.0%} | {inside} | {outside} | {row['time']:.2f} "
            f"| {row['right']} of {captions} | {row['right_shape']} of {captions} | {typical} | {worst} |"
        )
    return "\n".join(lines)


@command(__doc__)
@click.option("--model", default="demo", show_default=True, type=click.Choice(["demo", "demo-b"]))
@click.option("--interval", "intervals", type=(float, float), multiple=True, default=INTERVALS, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Seed of the first caption; it increases by one for each.")
def main(model: str, intervals: tuple[tuple[float, float], ...], seed: int) -> None:
    """Print the table."""
    captions = [scene.caption for scene in held_out()]
    intervals_by_name: dict[str, tuple[float, float] | None] = {"everywhere": None}
    intervals_by_name |= {f"{low:g} to {high:g}": (low, high) for low, high in intervals}
    results = {name: IntervalResult() for name in intervals_by_name}
    with latentlink.load(model) as pipe:
        for interval in intervals_by_name.values():  # the first run of a size takes longer
            draw_batch(pipe, interval, captions[:BATCH], seed, IntervalResult())
        for first in range(0, len(captions), BATCH):
            for name, interval in intervals_by_name.items():
                draw_batch(pipe, interval, captions[first : first + BATCH], seed + first, results[name])
        used = pipe.sampling
    click.echo(f"{model}: {len(captions)} captions, {used.sampler}, {used.steps} steps, guidance {used.guidance:g}\n")
    click.echo(table(report(results), len(captions)))


if __name__ == "__main__":
    run_command(main)
