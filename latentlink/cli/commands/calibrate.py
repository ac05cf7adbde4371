"""`latentlink calibrate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.bundle_names import SHIPPED, new_bundle_path
from latentlink.checks import check_input
from latentlink.cli.shared.console import decisions_json, print_skipped
from latentlink.cli.shared.options import SEED, STEPS, target_option, threads_option
from latentlink.cli.shared.order import check_order, is_export
from latentlink.errors import UsageError
from latentlink.options import MAX_COUNT
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.calibration.judge import Judge
    from latentlink.calibration.picture_comparison import ComparisonOptions
    from latentlink.engine.bundle import Manifest
    from latentlink.engine.quality import Quality
    from latentlink.runtime import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """The options of the command that all measurements read."""

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
@click.argument("out", required=False)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    required=True,
    help="Text file with one prompt per line, typical of the model's users.",
)
@click.option("--precision", help="Quantise the denoiser of an export to int8 or fp8, and write the export to OUT.")
@click.option(
    "--step-cache",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Measure the effect of generate --step-cache N on a bundle's pictures, instead of latent ranges.",
)
@click.option(
    "--beside",
    metavar="REFERENCE",
    help="Compare a bundle's pictures with those of REFERENCE, a bundle of the same model in a wider precision, "
    "instead of measuring latent ranges.",
)
@click.option(
    "--count",
    type=click.IntRange(1, MAX_COUNT),
    help="Number of generations to measure.  [default: 256; 64 with --precision; 32 with --step-cache or --beside]",
)
@click.option("--steps", type=STEPS, help="Denoising steps.  [default: the model's]")
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Seed of the first generation; each later one adds one."
)
@click.option(
    "--judge",
    type=click.Choice(["demo"]),
    help="Also draw the held-out captions of the demo models, with and without the change, and count the right ones.",
)
@click.option("--observer", help="How to choose scales: percentile, mse or minmax.  [default: percentile]")
@target_option
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    model: str,
    out: str | None,
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
    """Measure a model over generations of its own.

    If MODEL is a bundle, this measures its latents, and stores their ranges in the manifest for the guards. The model
    generates with its own sampler, guidance and size; no picture is kept. Only manifest.json is rewritten; the same
    command gives the same numbers. With --step-cache, it measures how much quality the step cache costs; if nobody
    would see it, the step cache is on from then on. With --beside, it measures how much quality the denoiser's
    precision costs; an engine whose pictures are below the gate is skipped from then on.

    If MODEL is an export, give OUT and --precision: this also measures the activations of its denoiser. OUT is the
    export with a quantised denoiser, if its pictures pass the gate. An interrupted run continues where it stopped.
    """
    if out is not None:
        new_bundle_path(out, "OUT")
        check_order(
            model,
            [out],
            fits=is_export,
            what="an export",
            order="the export to read comes before the one to write",
            usage="latentlink calibrate EXPORTED OUT --prompts FILE --precision int8",
        )
    settings = _Settings(
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
    kinds = {"--precision": precision, "--step-cache": step_cache, "--beside": beside}
    several = [name for name, value in kinds.items() if value is not None]
    if len(several) > 1:
        raise UsageError(f"Received {' and '.join(several)}; expected one of them, as each is measured by itself.")
    if observer is not None and precision is None:
        raise UsageError("--observer chooses the scales of a quantised export; expected --precision beside it.")
    if judge is not None and not several:
        raise UsageError(f"--judge looks at pictures; expected one of {', '.join(kinds)} with it.")
    if out is not None and precision is not None:
        _quantise(model, out, precision, observer, settings)
    elif step_cache is not None:
        _step_cache(model, step_cache, settings)
    elif beside is not None:
        _compare(model, beside, settings)
    else:
        _ranges(model, settings)


def _quantise(exported: str, out: str, precision: str, observer: str | None, settings: _Settings) -> None:
    from latentlink.calibration.quantise import calibrate_export
    from latentlink.calibration.quantise_options import COUNT, CalibrationOptions

    wanted = CalibrationOptions(
        precision=precision,
        prompts=tuple(settings.prompts),
        count=COUNT if settings.count is None else settings.count,
        steps=settings.steps,
        seed=settings.seed,
        threads=settings.threads,
        judge=settings.judge,
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
    if settings.as_json:
        keep_list = asdict(found.keep_list) | {"layers": sorted(found.keep_list.layers)}
        costs = [{"layer": cost.layer, "operator": cost.operator, "sqnr": cost.sqnr} for cost in found.costs]
        say_json(
            {"out": out, "quality": asdict(found.quality), "step_snr": round(found.keep_list.step_snr, 2)}
            | {"kept": sorted(found.keep_list.layers), "layers": costs, "keep_list": keep_list}
        )
        return
    say(f"{out}: denoiser in {precision}, {found.quality.summary()}.")
    say(
        f"{len(found.costs) - len(found.keep_list.layers)} of {len(found.costs)} layers are quantised; one step has "
        f"{found.keep_list.step_snr:.1f} dB.",
    )
    say(f"Next: latentlink build {out} BUNDLE")


def _ranges(bundle: str, settings: _Settings) -> None:
    from latentlink.calibration.latent_ranges import COUNT, measure_ranges

    with _measuring(bundle, settings) as (pipe, tell):
        ranges = measure_ranges(
            pipe,
            settings.prompts,
            count=COUNT if settings.count is None else settings.count,
            steps=settings.steps,
            seed=settings.seed,
            on_done=tell,
        )
    _rewrite(bundle, lambda manifest: replace(manifest, sampling=replace(manifest.sampling, ranges=ranges)))
    if settings.as_json:
        say_json(
            {"bundle": bundle, "ranges": [one.to_json() for one in ranges], "engines": decisions_json(pipe.decisions)}
        )
        return
    print_skipped({bundle: pipe.decisions})
    clean = ranges[0]
    say(
        f"{bundle}: {len(ranges)} noise levels; clean latents have a root mean square of {clean.rms[0]:.2f} to "
        f"{clean.rms[1]:.2f}."
    )


def _step_cache(bundle: str, every: int, settings: _Settings) -> None:
    from latentlink.calibration.picture_comparison import measure_step_cache

    with _measuring(bundle, settings) as (pipe, tell):
        found = measure_step_cache(pipe, every, _draw_options(settings), tell)
    _rewrite(bundle, lambda manifest: replace(manifest, sampling=replace(manifest.sampling, step_cache=found)))
    free = "free, so it is on by default"
    seen = "off by default, as some pictures differ visibly"
    verdict = free if found.quality.visually_lossless else seen
    _print_quality(bundle, pipe, f"step cache {every}", found.quality, verdict, settings)


def _compare(bundle: str, reference: str, settings: _Settings) -> None:
    import latentlink
    from latentlink.calibration.picture_comparison import measure_beside, with_quality
    from latentlink.engine.bundle import Bundle
    from latentlink.runtime import bundle_path
    from latentlink.runtime.linking import ComponentSource, choose

    with _measuring(bundle, settings) as (pipe, tell):
        opened = Bundle.open(bundle_path(bundle), check_files=False)
        engine, _ = choose(ComponentSource(component="denoiser", name=bundle, bundle=opened), settings.target)
        with latentlink.load(reference, threads=settings.threads) as other:
            quality = measure_beside(pipe, other, _draw_options(settings), tell)
    _rewrite(bundle, lambda manifest: with_quality(manifest, "denoiser", engine, quality))
    title = f"denoiser for {engine.target} in {engine.precision} beside {reference}"
    _print_quality(bundle, pipe, title, quality, "good enough", settings)


def _draw_options(settings: _Settings) -> ComparisonOptions:
    from latentlink.calibration.picture_comparison import COUNT, ComparisonOptions

    count = COUNT if settings.count is None else settings.count
    return ComparisonOptions(
        prompts=settings.prompts, count=count, steps=settings.steps, seed=settings.seed, judge=settings.judge
    )


@contextmanager
def _measuring(bundle: str, settings: _Settings) -> Iterator[tuple[Pipeline, Callable[[int, int], object]]]:
    """Open a bundle of the user's own; also yields a function that shows the progress of its measurement."""
    import latentlink

    if bundle in SHIPPED:
        raise UsageError(
            f"{bundle!r} comes with the package and is calibrated; expected a bundle of your own.",
            remedy="Copy its folder to calibrate it again.",
        )
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, target=settings.target, threads=settings.threads) as pipe:
            yield pipe, lambda done, total: bar.update(task, total=total, completed=done, description="generating")


def _rewrite(bundle: str, change: Callable[[Manifest], Manifest]) -> None:
    from latentlink.engine.bundle import rewrite_manifest
    from latentlink.runtime import bundle_path

    rewrite_manifest(bundle_path(bundle), change)


def _print_quality(bundle: str, pipe: Pipeline, what: str, quality: Quality, verdict: str, settings: _Settings) -> None:
    missed = quality.shortfall_summary()
    if settings.as_json:
        say_json(
            {"bundle": bundle, "passed": not missed, "free": quality.visually_lossless, "quality": asdict(quality)}
        )
        return
    print_skipped({bundle: pipe.decisions})
    say(f"{bundle}: {what}, {quality.summary()}.")
    verdict = f"below the gate, so it is refused: {missed}" if missed else verdict
    say(f"It is {verdict}.")


def _judge(name: str | None) -> Judge | None:
    """What judges the pictures: for the demo models, their held-out captions and the colours in those."""
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
    """The prompts in a file: its lines that are not blank."""
    try:
        lines = check_input(path, "a text file with one prompt per line").read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{str(path)!r} is not UTF-8 text; expected one prompt per line.") from None
    listed = [line.strip() for line in lines if line.strip()]
    if not listed:
        raise UsageError(f"{str(path)!r} holds no prompt; expected one per line.")
    return listed
