"""`latentlink calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.cli._console import console, print_json, print_passed_over, progress
from latentlink.cli._options import target_option
from latentlink.errors import UsageError


@click.command(
    epilog="""\b
Example:
  latentlink calibrate bundle --prompts prompts.txt
"""
)
@click.argument("bundle")
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    required=True,
    help="Text file, a prompt a line: what the model's users ask for.",
)
@click.option("--count", type=click.IntRange(1, 100_000), help="Generations to measure.  [default: 256]")
@click.option("--steps", type=int, help="Denoising steps of each; the model's own where left out.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first generation; the next has the next.")
@target_option
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a run; the processors there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the ranges as JSON.")
def command(
    bundle: str,
    prompts: Path,
    count: int | None,
    steps: int | None,
    seed: int,
    target: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure what the latents of BUNDLE are like, and keep it in its manifest for the guards.

    The model generates with its own sampler, guidance and size, and no picture is kept. Only manifest.json is
    rewritten; the same command gives the same numbers.
    """
    from dataclasses import replace

    import latentlink
    from latentlink.calibration.latent_ranges import COUNT, measure_ranges
    from latentlink.engine.bundle import rewrite_manifest
    from latentlink.runtime import bundle_path
    from latentlink.runtime.loading import SHIPPED

    listed = _lines(prompts)
    if bundle in SHIPPED:
        raise UsageError(
            f"{bundle!r} came with the package, calibrated; expected a bundle of yours.",
            remedy="Copy its folder to calibrate it anew.",
        )
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, target=target, threads=threads) as pipe:
            ranges = measure_ranges(
                pipe,
                listed,
                count=COUNT if count is None else count,
                steps=steps,
                seed=seed,
                on_done=lambda done, total: bar.update(task, total=total, completed=done, description="generating"),
            )
    rewrite_manifest(
        bundle_path(bundle), lambda manifest: replace(manifest, sampling=replace(manifest.sampling, ranges=ranges))
    )
    if as_json:
        print_json({"bundle": bundle, "ranges": [one.to_json() for one in ranges], "engines": list(pipe.notes)})
        return
    print_passed_over({bundle: pipe.notes})
    clean = ranges[0]
    console.print(
        f"{bundle}: {len(ranges)} noise levels; clean latents have a root mean square of {clean.rms[0]:.2f} to "
        f"{clean.rms[1]:.2f}."
    )


def _lines(path: Path) -> list[str]:
    """The prompts of a file: its lines that are not blank."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UsageError(f"There is no file {str(path)!r}; expected a text file with a prompt a line.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{str(path)!r} is no UTF-8 text; expected a prompt a line.") from None
    listed = [line.strip() for line in lines if line.strip()]
    if not listed:
        raise UsageError(f"{str(path)!r} holds no prompt; expected one a line.")
    return listed
