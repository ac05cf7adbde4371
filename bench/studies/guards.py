"""The guards on honest generations, none of which may be refused, and on engines with injected faults.

python -m latentlink.bench.studies.guards [--count 500] [--json FILE]

docs/guards.md shows its output. The exit status is 1 if an honest generation was refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.bench.studies.honest_runs import SEED, HonestRuns, run_honest
from latentlink.terminal.module import OutFile, command, run_command

if TYPE_CHECKING:
    from latentlink.bench.studies.fault_trials import FaultOutcome


def honest_table(seen: HonestRuns) -> str:
    """Markdown."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in seen.counts.items())
    lines = [
        f"{sum(seen.counts.values())} honest generations ({kinds}): {len(seen.refused)} refused.\n",
        "| | least | most |",
        "|---|--:|--:|",
        f"| picture's deviation, of 255 | {seen.deviation[0]:.1f} | {seen.deviation[1]:.1f} |",
        f"| picture's roughness | {seen.roughness[0]:.3f} | {seen.roughness[1]:.3f} |",
        f"| latents' root mean square, 10 steps and more | {seen.rms[0]:.2f} | {seen.rms[1]:.2f} |",
        f"| latents' root mean square, fewer steps | {seen.rms_few[0]:.2f} | {seen.rms_few[1]:.2f} |",
    ]
    return "\n".join([*lines, *(f"- {text}" for text in seen.refused)]) + "\n"


def fault_table(found: Sequence[FaultOutcome]) -> str:
    """Markdown."""
    lines = [
        "| fault | by its probes | by a guard | after | what it says | worst picture, if not caught |",
        "|---|---|--:|---|---|--:|",
    ]
    for one in found:
        message = one.message.partition(": ")[2].partition(";")[0]
        worst = "" if one.psnr is None else f"{one.psnr:.1f} dB"
        probed = {None: "", True: "refused", False: "**passed**"}[one.probed]
        cells = (one.fault, probed, f"{one.caught} of {one.tried}", ", ".join(one.stages), message, worst)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@command(__doc__)
@click.option("--count", type=click.IntRange(0), default=500, show_default=True, help="Honest generations.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Seed of the first honest generation.")
@click.option("--json", "json_file", type=OutFile(), help="Also write the figures to a file.")
def main(count: int, seed: int, json_file: Path | None) -> None:
    """Print both tables."""
    from latentlink.bench.studies.fault_trials import faults

    with click.progressbar(length=count, label="honest") as bar:
        seen = run_honest(count, seed, lambda done: bar.update(done - bar.pos))
    click.echo(honest_table(seen))
    found = faults(lambda name: click.echo(f"fault: {name}", err=True))
    click.echo(fault_table(found))
    if json_file is not None:
        json_file.write_text(json.dumps({"honest": asdict(seen), "faults": [asdict(one) for one in found]}, indent=2))
    raise SystemExit(1 if seen.refused else 0)


if __name__ == "__main__":
    run_command(main)
