"""`latentlink calibrate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.cli.shared.console import console, decided, print_json, print_skipped, progress
from latentlink.cli.shared.options import target_option
from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.calibration.judge import Judge
    from latentlink.calibration.picture_comparison import ComparisonOptions
    from latentlink.engine.bundle import Manifest
    from latentlink.engine.quality import Quality
    from latentlink.runtime import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all measurements are told: the options of the command."""

    prompts: list[str]
    count: int | None
    steps: int | None
    seed: int
    judge: Judge | None
    target: str
    threads: int | None
    as_json: bool


@click.command(
    epilog="""\b
Examples:
  latentlink calibrate bundle --prompts prompts.txt
  latentlink calibrate bundle --prompts prompts.txt --step-cache 2
  latentlink calibrate bundle-bf16 --prompts prompts.txt --beside bundle-fp32
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
    "--beside",
    metavar="REFERENCE",
    help="Of a bundle, likewise: how its pictures compare with those of another bundle, a wider one of the same model.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    help="Generations to measure.  [default: 256; 64 for OUT, 32 of pictures]",
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
    beside: str | None,
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
    same numbers. With --step-cache, what that costs in quality: where nobody would see it, it is on from then on. With
    --beside, what its denoiser's precision costs: an engine whose pictures are below the gate is passed over.

    Of an export, MODEL, with --precision, the activations of its denoiser too: OUT is the export with a quantised
    denoiser, if its pictures are as good as they have to be. What was interrupted goes on where it was.
    """
    asked = _Run(
        prompts=_lines(prompts),
        count=count,
        steps=steps,
        seed=seed,
        judge=_judge(judge),
        target=target,
        threads=threads,
        as_json=as_json,
    )
    if (out is None) != (precision is None):
        raise UsageError(
            "OUT and --precision go together: they quantise an export.",
            remedy="latentlink calibrate EXPORTED OUT --prompts FILE --precision int8",
        )
    given = {"--precision": precision, "--step-cache": step_cache, "--beside": beside}
    several = [name for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise UsageError(f"Received {' and '.join(several)}; expected one of them, as each is measured by itself.")
    if observer is not None and precision is None:
        raise UsageError("--observer chooses the scales of a quantised export; expected --precision beside it.")
    if judge is not None and not several:
        raise UsageError(f"--judge looks at pictures; expected one of {', '.join(given)} with it.")
    if out is not None and precision is not None:
        _quantise(model, out, precision, observer, asked)
    elif step_cache is not None:
        _step_cache(model, step_cache, asked)
    elif beside is not None:
        _beside(model, beside, asked)
    else:
        _ranges(model, asked)


def _quantise(exported: str, out: Path, precision: str, observer: str | None, asked: _Run) -> None:
    from latentlink.calibration.quantise import calibrate_export
    from latentlink.calibration.quantise_options import COUNT, CalibrationOptions

    wanted = CalibrationOptions(
        precision=precision,
        prompts=tuple(asked.prompts),
        count=COUNT if asked.count is None else asked.count,
        steps=asked.steps,
        seed=asked.seed,
        threads=asked.threads,
        judge=asked.judge,
        **({} if observer is None else {"observer": observer}),
    )
    with progress() as bar:
        task = bar.add_task("checking the export", total=None)
        found = calibrate_export(
            exported,
            out,
            wanted,
            on_phase=lambda phase, done, total: bar.update(task, description=phase, completed=done, total=total),
        )
    if asked.as_json:
        keep_list = asdict(found.keep_list) | {"layers": sorted(found.keep_list.layers)}
        costs = [{"layer": cost.layer, "operator": cost.operator, "sqnr": cost.sqnr} for cost in found.costs]
        print_json(
            {"out": str(out), "quality": asdict(found.quality), "step_snr": round(found.keep_list.step_snr, 2)}
            | {"kept": sorted(found.keep_list.layers), "layers": costs, "keep_list": keep_list}
        )
        return
    console.print(f"{out}: denoiser in {precision}, {found.quality.summary()}.", soft_wrap=True, highlight=False)
    console.print(
        f"{len(found.costs) - len(found.keep_list.layers)} of {len(found.costs)} layers are quantised; one step has "
        f"{found.keep_list.step_snr:.1f} dB.",
        highlight=False,
    )
    console.print(f"Next: latentlink build {out} BUNDLE", soft_wrap=True, highlight=False)


def _ranges(bundle: str, asked: _Run) -> None:
    from latentlink.calibration.latent_ranges import COUNT, measure_ranges

    with _measuring(bundle, asked) as (pipe, tell):
        ranges = measure_ranges(
            pipe,
            asked.prompts,
            count=COUNT if asked.count is None else asked.count,
            steps=asked.steps,
            seed=asked.seed,
            on_done=tell,
        )
    _rewrite(bundle, lambda manifest: replace(manifest, sampling=replace(manifest.sampling, ranges=ranges)))
    if asked.as_json:
        print_json({"bundle": bundle, "ranges": [one.to_json() for one in ranges], "engines": decided(pipe.decisions)})
        return
    print_skipped({bundle: pipe.decisions})
    clean = ranges[0]
    console.print(
        f"{bundle}: {len(ranges)} noise levels; clean latents have a root mean square of {clean.rms[0]:.2f} to "
        f"{clean.rms[1]:.2f}."
    )


def _step_cache(bundle: str, every: int, asked: _Run) -> None:
    from latentlink.calibration.picture_comparison import measure_step_cache

    with _measuring(bundle, asked) as (pipe, tell):
        found = measure_step_cache(pipe, every, _drawn(asked), tell)
    _rewrite(bundle, lambda manifest: replace(manifest, sampling=replace(manifest.sampling, step_cache=found)))
    free = "free, so it is on where nothing else is asked"
    seen = "off where nothing is asked, as some pictures differ visibly"
    verdict = free if found.quality.visually_lossless else seen
    _print_quality(bundle, pipe, f"step cache {every}", found.quality, verdict, asked)


def _beside(bundle: str, reference: str, asked: _Run) -> None:
    import latentlink
    from latentlink.calibration.picture_comparison import measure_beside, with_quality
    from latentlink.engine.bundle import Bundle
    from latentlink.runtime import bundle_path
    from latentlink.runtime.linking import ComponentSource, choose

    with _measuring(bundle, asked) as (pipe, tell):
        opened = Bundle.open(bundle_path(bundle), check_files=False)
        engine, _ = choose(ComponentSource(component="denoiser", name=bundle, bundle=opened), asked.target)
        with latentlink.load(reference, threads=asked.threads) as other:
            quality = measure_beside(pipe, other, _drawn(asked), tell)
    _rewrite(bundle, lambda manifest: with_quality(manifest, "denoiser", engine, quality))
    title = f"denoiser for {engine.target} in {engine.precision} beside {reference}"
    _print_quality(bundle, pipe, title, quality, "good enough", asked)


def _drawn(asked: _Run) -> ComparisonOptions:
    from latentlink.calibration.picture_comparison import COUNT, ComparisonOptions

    count = COUNT if asked.count is None else asked.count
    return ComparisonOptions(prompts=asked.prompts, count=count, steps=asked.steps, seed=asked.seed, judge=asked.judge)


@contextmanager
def _measuring(bundle: str, asked: _Run) -> Iterator[tuple[Pipeline, Callable[[int, int], object]]]:
    """A bundle of the user's own, open, and what is told how far its measurement is."""
    import latentlink
    from latentlink.runtime.bundle_names import SHIPPED

    if bundle in SHIPPED:
        raise UsageError(
            f"{bundle!r} came with the package, calibrated; expected a bundle of yours.",
            remedy="Copy its folder to calibrate it anew.",
        )
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, target=asked.target, threads=asked.threads) as pipe:
            yield pipe, lambda done, total: bar.update(task, total=total, completed=done, description="generating")


def _rewrite(bundle: str, change: Callable[[Manifest], Manifest]) -> None:
    from latentlink.engine.bundle import rewrite_manifest
    from latentlink.runtime import bundle_path

    rewrite_manifest(bundle_path(bundle), change)


def _print_quality(bundle: str, pipe: Pipeline, what: str, quality: Quality, verdict: str, asked: _Run) -> None:
    missed = quality.shortfall_summary()
    if asked.as_json:
        print_json(
            {"bundle": bundle, "passed": not missed, "free": quality.visually_lossless, "quality": asdict(quality)}
        )
        return
    print_skipped({bundle: pipe.decisions})
    console.print(f"{bundle}: {what}, {quality.summary()}.", soft_wrap=True, highlight=False)
    verdict = f"below the gate, so it is refused: {missed}" if missed else verdict
    console.print(f"It is {verdict}.", soft_wrap=True, highlight=False)


def _judge(name: str | None) -> Judge | None:
    """Who looks at the pictures: for the demo models, their held-out captions and the colours that those ask for."""
    if name is None:
        return None
    from latentlink.calibration.judge import Judge
    from latentlink.demo.check import check
    from latentlink.demo.grammar import held_out

    scenes = held_out()
    return Judge(
        prompts=tuple(scene.caption for scene in scenes),
        shows=lambda number, picture: check(picture, scenes[number]).right,
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
