"""`latentlink bench`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from latentlink.cli.shared.console import print_skipped
from latentlink.cli.shared.options import engine_memory_option, generation_options, target_option
from latentlink.cli.shared.outputs import output_file
from latentlink.cli.shared.words import running
from latentlink.options import MAX_THREADS, OPTIONS, DenoisingOptions, table
from latentlink.terminal.printing import json_text, say, say_table
from latentlink.terminal.progress import progress

SHARED = ("steps", "sampler", "guidance", "width", "height")
"""Options of a generation that all sides of `--against` have."""

SETTINGS = [
    name for name in table(DenoisingOptions) if name not in ("seed", "strength", "denoising_start", "denoising_end")
]
"""Options of a generation from noise; the seeds are the benchmark's own."""


@click.command(
    epilog="""\b
Examples:
  latentlink bench demo
  latentlink bench bundle --target ort-cpu --engine-memory 2GB
  latentlink bench bundle --steps 4 --repeats 3 --json bench.json
  latentlink bench bundle --against diffusers,openvino-genai --checkpoint stable-diffusion-v1-5 --plot bench.png
  latentlink bench bundle --also bundle-bf16@openvino-cpu --against diffusers --checkpoint stable-diffusion-v1-5
"""
)
@click.argument("bundle")
@click.option("--prompt", default="a red circle on a blue background", show_default=True, help="What to draw.")
@generation_options(SETTINGS)
@click.option("--repeats", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of measured runs.")
@target_option
@engine_memory_option
@click.option(
    "--against",
    metavar="SIDES",
    help="Compare with other programs, in turns, each in its own process. A comma-separated list of "
    "latentlink-native, diffusers, torch-compile, openvino-genai, optimum and stable-diffusion.cpp; append :bfloat16 "
    "for that precision. Programs that need their own environment get one.",
)
@click.option(
    "--also",
    multiple=True,
    metavar="BUNDLE[@TARGET]",
    help="With --against: measure another bundle too, such as sd15-bf16@openvino-cpu; without @TARGET the target is "
    "auto. Append +step_cache=2 to use the step cache. Ratios are to BUNDLE. May be repeated.",
)
@click.option(
    "--checkpoint",
    type=click.Path(),
    help="With --against, required: the diffusers directory that BUNDLE was made from.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    help="With --against: threads for one run of every side.  [default: all processors]",
)
@output_file("--plot", help="With --against: PNG file to write a plot to.")
@output_file("--markdown", help="With --against: Markdown file to write a table to.")
@click.option(
    "--pictures", type=click.Path(path_type=Path), help="With --against: folder to write a picture of every side to."
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="With --against: folder that keeps environments and models for the other programs.  [default: in the user's "
    "cache]",
)
@output_file("--json", "json_file", help="Also write the figures to this JSON file.")
def command(
    bundle: str,
    prompt: str,
    repeats: int,
    target: str,
    engine_memory: int | None,
    against: str | None,
    also: tuple[str, ...],
    checkpoint: str | None,
    threads: int | None,
    plot: Path | None,
    markdown: Path | None,
    pictures: Path | None,
    work: Path | None,
    json_file: Path | None,
    **options: Any,
) -> None:
    """Measure BUNDLE on this machine: start-up, seconds by stage, memory, and Python's share of a step.

    The figures are the median, least and most of --repeats runs. With --against, other programs draw the same picture
    too, --repeats times each.
    """
    if against is not None:
        from latentlink.cli.shared.against import run_against

        if checkpoint is None:
            raise click.UsageError("--against needs --checkpoint: the diffusers directory that BUNDLE was made from.")
        if ours := [name for name, value in options.items() if value is not None and name not in SHARED]:
            flags = ", ".join(OPTIONS[name].switch for name in ours)
            raise click.UsageError(
                f"Not all sides of --against have {flags}; use --also BUNDLE+step_cache=N for one of our bundles."
            )
        run_against(
            bundle,
            checkpoint,
            against,
            also,
            {"prompt": prompt, "threads": threads, **{name: options[name] for name in SHARED}},
            rounds=repeats,
            target=target,
            folder=work,
            pictures=pictures,
            files={"plot": plot, "markdown": markdown, "json": json_file},
        )
        return
    only = {"--also": also or None, "--checkpoint": checkpoint, "--threads": threads, "--plot": plot}
    only |= {"--markdown": markdown, "--pictures": pictures, "--work": work}
    if lost := [name for name, value in only.items() if value is not None]:
        raise click.UsageError(f"{', '.join(lost)} can only be used with --against.")
    from latentlink.bench.cost import measure_bundle
    from latentlink.files import atomic_file

    settings = {name: value for name, value in options.items() if value is not None}
    with progress() as bar:
        task = bar.add_task("measuring", total=None)
        found = measure_bundle(
            bundle,
            prompt=prompt,
            settings=settings,
            repeats=repeats,
            target=target,
            engine_memory=engine_memory,
            on_progress=lambda done, count, what: bar.update(task, total=count, completed=done, description=what),
        )
    rows = []
    times = {
        "import latentlink": found.import_seconds,
        "cold, all in": found.cold_seconds,
        **{f"warm, {stage}": spread for stage, spread in found.stages.items()},
        "warm, one row": found.row_seconds,
    }
    for name, spread in times.items():
        rows.append((name, *(f"{value:.4f} s" for value in (spread.median, spread.low, spread.high))))
    peak = found.cold_megabytes
    rows.append(("cold, peak memory", *(f"{value:.0f} MB" for value in (peak.median, peak.low, peak.high))))
    say_table(("", "median", "least", "most"), rows)
    say(f"Python's share of a row: {found.python_share:.2%}")
    say("; ".join(running(found.engines)))
    print_skipped({bundle: found.engines})
    say(", ".join(f"{name} {value}" for name, value in found.provenance.items()))
    if json_file is not None:
        with atomic_file(json_file) as part:
            request = {"bundle": bundle, "settings": settings, "target": target, "engine_memory": engine_memory}
            part.write_text(json_text(asdict(found) | request) + "\n")
