"""`latentlink calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.cli._console import console, print_json, print_passed_over, progress
from latentlink.cli._options import target_option
from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.calibration.accuracy import Judge


@click.command(
    epilog="""\b
Examples:
  latentlink calibrate bundle --prompts prompts.txt
  latentlink calibrate bundle --prompts prompts.txt --step-cache 2
  latentlink calibrate exported exported-int8 --prompts prompts.txt --precision int8
"""
)
@click.argument("model")
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    required=True,
    help="Text file, a prompt a line: what the model's users ask for.",
)
@click.option("--precision", help="int8 or fp8: quantise the denoiser of an export, and write the export to OUT.")
@click.option(
    "--step-cache",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Of a bundle, in the place of the latents' ranges: what generate --step-cache N does to its pictures.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    help="Generations to measure.  [default: 256; 64 for OUT, 32 with --step-cache]",
)
@click.option("--steps", type=int, help="Denoising steps of each; the model's own where left out.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first generation; the next has the next.")
@click.option(
    "--judge",
    type=click.Choice(["demo"]),
    help="Also draw the held-out captions of the demo models, with and without, and count pictures that show them.",
)
@click.option("--observer", help="How scales are chosen: percentile, mse or minmax.  [default: percentile]")
@target_option
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a run; the processors there are.")
@click.option("--json", "as_json", is_flag=True, help="Print what was measured as JSON.")
def command(
    model: str,
    out: Path | None,
    prompts: Path,
    precision: str | None,
    step_cache: int | None,
    count: int | None,
    steps: int | None,
    seed: int,
    judge: str | None,
    observer: str | None,
    target: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure what a model's numbers are like over generations of its own.

    Of a bundle, MODEL, the latents: their ranges are kept in its manifest for the guards. The model generates with its
    own sampler, guidance and size, and no picture is kept. Only manifest.json is rewritten; the same command gives the
    same numbers. With --step-cache, what that costs in quality: where nobody would see it, it is on from then on.

    Of an export, MODEL, with --precision, the activations of its denoiser too: OUT is the export with a quantised
    denoiser, if its pictures are as good as they have to be. What was interrupted goes on where it was.
    """
    listed = _lines(prompts)
    if step_cache is not None and out is not None:
        raise UsageError("--step-cache is measured of a bundle; expected no OUT beside it.")
    if (out is None) != (precision is None):
        raise UsageError(
            "OUT and --precision go together: they quantise an export.",
            remedy="latentlink calibrate EXPORTED OUT --prompts FILE --precision int8",
        )
    if out is not None and precision is not None:
        _quantise(model, out, precision, listed, count, steps, seed, _judge(judge), observer, threads, as_json)
    elif observer is not None:
        raise UsageError("--observer chooses the scales of a quantised export; expected --precision beside it.")
    elif step_cache is not None:
        _measure_step_cache(model, listed, step_cache, count, steps, seed, _judge(judge), target, threads, as_json)
    elif judge is not None:
        raise UsageError("--judge looks at pictures; expected --precision or --step-cache beside it.")
    else:
        _measure(model, listed, count, steps, seed, target, threads, as_json)


def _quantise(
    exported: str,
    out: Path,
    precision: str,
    prompts: list[str],
    count: int | None,
    steps: int | None,
    seed: int,
    judge: Judge | None,
    observer: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    from latentlink.calibration.asked import COUNT, Asked
    from latentlink.calibration.quantised import calibrate_export

    asked = Asked(
        precision=precision,
        prompts=tuple(prompts),
        count=COUNT if count is None else count,
        steps=steps,
        seed=seed,
        threads=threads,
        judge=judge,
        **({} if observer is None else {"observer": observer}),
    )
    with progress() as bar:
        task = bar.add_task("checking the export", total=None)
        found = calibrate_export(
            exported,
            out,
            asked,
            told=lambda phase, done, total: bar.update(task, description=phase, completed=done, total=total),
        )
    if as_json:
        costs = [{"layer": cost.layer, "operator": cost.operator, "sqnr": cost.sqnr} for cost in found.costs]
        print_json(
            {"out": str(out), "quality": asdict(found.quality), "step_snr": round(found.step_snr, 2)}
            | {"kept": sorted(found.kept), "layers": costs}
        )
        return
    console.print(f"{out}: denoiser in {precision}, {found.quality.said()}.", soft_wrap=True, highlight=False)
    console.print(
        f"{len(found.costs) - len(found.kept)} of {len(found.costs)} layers are quantised; one step has "
        f"{found.step_snr:.1f} dB.",
        highlight=False,
    )
    console.print(f"Next: latentlink build {out} BUNDLE", soft_wrap=True, highlight=False)


def _measure(
    bundle: str,
    prompts: list[str],
    count: int | None,
    steps: int | None,
    seed: int,
    target: str,
    threads: int | None,
    as_json: bool,
) -> None:
    from dataclasses import replace

    import latentlink
    from latentlink.calibration.latent_ranges import COUNT, measure_ranges
    from latentlink.engine.bundle import rewrite_manifest
    from latentlink.runtime import bundle_path

    _check_own(bundle)
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, target=target, threads=threads) as pipe:
            ranges = measure_ranges(
                pipe,
                prompts,
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


def _measure_step_cache(
    bundle: str,
    prompts: list[str],
    every: int,
    count: int | None,
    steps: int | None,
    seed: int,
    judge: Judge | None,
    target: str,
    threads: int | None,
    as_json: bool,
) -> None:
    from dataclasses import replace

    import latentlink
    from latentlink.calibration.step_cache import COUNT, measure_step_cache
    from latentlink.engine.bundle import rewrite_manifest
    from latentlink.runtime import bundle_path

    _check_own(bundle)
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, target=target, threads=threads) as pipe:
            found = measure_step_cache(
                pipe,
                prompts,
                every,
                count=COUNT if count is None else count,
                steps=steps,
                seed=seed,
                judge=judge,
                on_done=lambda done, total: bar.update(task, total=total, completed=done, description="drawing"),
            )
    rewrite_manifest(
        bundle_path(bundle), lambda manifest: replace(manifest, sampling=replace(manifest.sampling, step_cache=found))
    )
    if as_json:
        print_json({"bundle": bundle, "every": every, "free": found.quality.free, "quality": asdict(found.quality)})
        return
    print_passed_over({bundle: pipe.notes})
    missed = found.quality.missed()
    verdict = (
        f"below the gate, so it is refused: {missed}"
        if missed
        else "free, so it is on where nothing else is asked"
        if found.quality.free
        else "off where nothing is asked, as some pictures differ visibly"
    )
    console.print(f"{bundle}: step cache {every}, {found.quality.said()}.", soft_wrap=True, highlight=False)
    console.print(f"It is {verdict}.", soft_wrap=True, highlight=False)


def _judge(name: str | None) -> Judge | None:
    """Who looks at the pictures: for the demo models, their held-out captions and the colours that those ask for."""
    if name is None:
        return None
    from latentlink.calibration.accuracy import Judge
    from latentlink.demo.check import check
    from latentlink.demo.grammar import held_out

    scenes = held_out()
    return Judge(
        prompts=tuple(scene.caption for scene in scenes),
        right=lambda number, picture: check(picture, scenes[number]).right,
    )


def _check_own(bundle: str) -> None:
    """Refuse a bundle that came with the package."""
    from latentlink.runtime.loading import SHIPPED

    if bundle in SHIPPED:
        raise UsageError(
            f"{bundle!r} came with the package, calibrated; expected a bundle of yours.",
            remedy="Copy its folder to calibrate it anew.",
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
