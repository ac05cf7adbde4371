"""How cost grows with picture size, batch and steps: seconds, peak memory, and the exponent of each.

python -m latentlink.bench.cost.growth BUNDLE OUT.json [--sizes 256,512] [--batches 1,2,4] [--steps 2,4] [--base 512]
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np

import latentlink
from latentlink.bench.cost.fresh import run_in_new_process
from latentlink.bench.cost.measure import provenance
from latentlink.files import atomic_file
from latentlink.terminal.module import OutFile, command, run_command
from latentlink.terminal.progress import progress

KIND = "latentlink.bench.growth"
"""Value of `kind` in a file of results."""

COMMAND = ("python", "-m", "latentlink.bench.cost.growth")

AXES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "size": ("picture side, pixels", ("step_s", "vae_decoder_s", "total_s", "peak_gb")),
    "batch": ("pictures at once", ("step_s", "vae_decoder_s", "total_s", "peak_gb")),
    "steps": ("steps", ("total_s", "peak_gb")),
}
"""Axes along which cost grows, with their figures."""

HEADINGS = {"step_s": "s a step", "vae_decoder_s": "VAE, s", "total_s": "picture, s", "peak_gb": "peak memory, GB"}


def measure_one(bundle: str, target: str, size: int, batch: int, steps: int, warm: int) -> dict[str, float]:
    """Seconds of a warm call and peak memory of the process, which must have done nothing else.

    Args:
        bundle: See `latentlink.load`.
        target: See `latentlink.load`.
        size: Picture width and height in pixels.
        batch: Number of pictures at once.
        steps: Denoising steps.
        warm: Number of timed calls, after one that is not timed.

    Returns:
        `step_s`, `vae_decoder_s`, `total_s`: medians; `peak_gb`: resident memory in 10^9 bytes.
    """
    found: dict[str, list[float]] = {"step_s": [], "vae_decoder_s": [], "total_s": []}
    with latentlink.load(bundle, target=target) as pipe:
        for number in range(warm + 1):
            began = perf_counter()
            done = pipe.generate(
                "a red circle on a blue background",
                seed=number,
                steps=steps,
                width=size,
                height=size,
                num_images=batch,
                guard="off",  # bundles of random weights are measured too
            )
            if number:
                found["total_s"].append(perf_counter() - began)
                found["step_s"].append(done.timings["denoiser"] / steps)
                found["vae_decoder_s"].append(done.timings["vae_decoder"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {**{name: statistics.median(values) for name, values in found.items()}, "peak_gb": peak}


def exponent(values: Sequence[float], figures: Sequence[float]) -> float:
    """Exponent of the power law that fits `figures` over `values`: the slope of a line through their logarithms.

    Args:
        values: At least two, above 0.
        figures: One for each value, above 0.
    """
    return float(np.polyfit(np.log(values), np.log(figures), 1)[0])


def measure_growth(
    bundle: str,
    *,
    sizes: Sequence[int],
    batches: Sequence[int],
    steps: Sequence[int],
    base: int,
    target: str = "auto",
    warm: int = 1,
    on_progress: Callable[[int, int, str], object] = lambda done, count, what: None,
) -> dict[str, Any]:
    """Measure along each axis, with the others at their base: one picture of side `base`, the fewest steps.

    Args:
        bundle: See `latentlink.load`.
        sizes: Picture sides in pixels.
        batches: Numbers of pictures at once.
        steps: Numbers of denoising steps.
        base: Picture side in pixels on the other axes.
        target: See `latentlink.load`.
        warm: Number of timed calls.
        on_progress: Called with (done, count, what) before each process.

    Returns:
        `axes`: for each axis its rows (value and figures), and exponents by figure.

    Raises:
        ProcessFailed: A process failed.
    """
    fewest = min(steps)
    runs: dict[str, list[tuple[int, tuple[int, int, int]]]] = {
        "size": [(size, (size, 1, fewest)) for size in sizes],
        "batch": [(batch, (base, batch, fewest)) for batch in batches],
        "steps": [(count, (base, 1, count)) for count in steps],
    }
    measured: dict[tuple[int, int, int], dict[str, float]] = {}
    combinations = list(dict.fromkeys(settings for rows in runs.values() for _, settings in rows))
    for number, settings in enumerate(combinations):
        on_progress(number, len(combinations), "{0}x{0}, batch {1}, {2} steps".format(*settings))
        measured[settings] = run_in_new_process(measure_one, bundle, target, *settings, warm)
    axes = {}
    for axis, (_, names) in AXES.items():
        rows = [
            {"value": value, **{name: measured[settings][name] for name in names}} for value, settings in runs[axis]
        ]
        values = [row["value"] for row in rows]
        exponents = {name: exponent(values, [row[name] for row in rows]) for name in names} if len(rows) > 1 else {}
        axes[axis] = {"rows": rows, "exponents": exponents}
    return {"kind": KIND, "bundle": bundle, "target": target, "axes": axes, "provenance": dict(provenance())}


def markdown(results: Mapping[str, Any]) -> str:
    """Tables of the result of `measure_growth`, one per axis; the last row is the exponent."""
    parts = []
    for axis, (title, names) in AXES.items():
        rows = results["axes"][axis]["rows"]
        exponents = results["axes"][axis]["exponents"]
        lines = [[title, *(HEADINGS[name] for name in names)], ["---:" for _ in range(len(names) + 1)]]
        lines += [[str(row["value"]), *(f"{row[name]:.3g}" for name in names)] for row in rows]
        if exponents:
            lines.append(["exponent", *(f"{exponents[name]:z.2f}" for name in names)])
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    machine = results["provenance"]
    machine_line = f"{results['bundle']}, {machine['processors']} processors, {machine['processor']}."
    command = " ".join([*COMMAND, *results["command"][len(COMMAND) :]])  # the module had another name before 0.1
    return "\n\n".join([*parts, machine_line, f"`{command}`"]) + "\n"


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> list[int]:
    try:
        found = [int(word) for word in value.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise click.BadParameter(f"{value!r} is not a list of whole numbers, such as 1,2,4.")
    return found


@command(__doc__)
@click.argument("bundle")
@click.argument("out", type=OutFile())
@click.option("--sizes", default="256,384,512,768,1024", show_default=True, callback=_numbers, help="Picture sides.")
@click.option("--batches", default="1,2,4,8", show_default=True, callback=_numbers, help="Pictures at once.")
@click.option("--steps", default="2,4,8", show_default=True, callback=_numbers, help="Denoising steps.")
@click.option("--base", default=512, show_default=True, help="Picture side on the other axes, in pixels.")
@click.option("--target", default="auto", show_default=True)
@click.option("--warm", default=1, show_default=True, help="Timed calls, after one that is not timed.")
def main(
    bundle: str,
    out: Path,
    sizes: list[int],
    batches: list[int],
    steps: list[int],
    base: int,
    target: str,
    warm: int,
) -> None:
    """Measure how BUNDLE's cost grows, and write OUT."""
    with progress() as bar:
        task = bar.add_task("measuring", total=None)
        found = measure_growth(
            bundle,
            sizes=sizes,
            batches=batches,
            steps=steps,
            base=base,
            target=target,
            warm=warm,
            on_progress=lambda done, count, what: bar.update(task, total=count, completed=done, description=what),
        )
    found["command"] = [*COMMAND, *sys.argv[1:]]
    with atomic_file(out) as part:
        part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    click.echo(markdown(found))


if __name__ == "__main__":
    run_command(main)
