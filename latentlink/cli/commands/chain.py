"""`latentlink chain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from latentlink.bundle_names import names_bundle
from latentlink.cli.shared.console import decibels, decisions_json, print_skipped, transfer_summary
from latentlink.cli.shared.options import (
    PARSERS,
    SEED,
    generation_options,
    target_option,
    threads_option,
    vae_memory_option,
    verify_option,
)
from latentlink.cli.shared.order import check_order
from latentlink.cli.shared.outputs import check_several, latents_output, output_option
from latentlink.cli.shared.pictures import no_metadata_option, quality_option, written
from latentlink.cli.shared.words import settings
from latentlink.errors import UsageError
from latentlink.options import RunOptions, StageOptions, table
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.options import Option
    from latentlink.runtime import Decision, Hop, Result

RUN_OPTIONS = table(RunOptions)

KEYS: Mapping[str, Option] = {name: one for name, one in table(StageOptions).items() if one.type in PARSERS}
"""Options that a STAGE may have."""

HOLD_COMMAS = [name for name, one in KEYS.items() if one.type is tuple or (one.type is str and one.several)]
"""Options whose values may contain commas."""


@click.command(
    epilog="""\b
Examples:
  latentlink chain "a red circle on a blue background" demo demo-b,strength=0.4 -o out.png
  latentlink chain "a lighthouse" sd15 sdxl,strength=0.5,width=1024 sdxl,strength=0.2,steps=50 -o out.png --keep
  latentlink chain "a lighthouse" base,denoising_end=0.8 refiner,denoising_start=0.8 -o out.png
  latentlink chain "an oil painting of a lighthouse" --init-image day.png sd15,strength=0.6 sdxl,strength=0.3 -o out.png
\b
A STAGE is a bundle and its options, joined by commas; the options are:
"""
    + fill(", ".join(KEYS), 78, initial_indent="  ", subsequent_indent="  ")
    + "\n"
)
@click.argument("prompt")
@click.argument("stage", nargs=-1, required=True)
@output_option(required=True)
@click.option("--negative-prompt", help="Negative prompt for all stages that have none of their own.")
@click.option("--seed", type=SEED, help="Seed of the first stage; each later stage adds one.  [default: a random one]")
@generation_options(RUN_OPTIONS)
@click.option("--fit", is_flag=True, help="Resample to the nearest size that the next model accepts, if necessary.")
@click.option("--keep", is_flag=True, help="Also write the picture after every stage: OUT-stage1.png, ...")
@quality_option
@no_metadata_option
@latents_output("--output-latents")
@target_option
@verify_option
@threads_option
@vae_memory_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    prompt: str,
    stage: tuple[str, ...],
    output: Path,
    negative_prompt: str | None,
    seed: int | None,
    fit: bool,
    keep: bool,
    quality: int | None,
    no_metadata: bool,
    output_latents: Path | None,
    target: str,
    verify: bool | None,
    threads: int | None,
    vae_memory: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw PROMPT with the first STAGE, and refine it with each of the others.

    Each STAGE is BUNDLE[,KEY=VALUE,...], such as demo-b,strength=0.4. Between two latent spaces the picture is decoded
    and encoded again; within one space the latents are handed over unchanged.
    """
    import latentlink
    from latentlink.runtime import bundle_path
    from latentlink.runtime.picture_files import check_picture, read_picture

    check_order(
        stage[0].partition(",")[0],
        [prompt],
        fits=names_bundle,
        what="a bundle",
        order="the prompt comes before the bundles",
        usage="latentlink chain PROMPT BUNDLE BUNDLE,strength=0.4 -o out.png",
    )
    parts = [_read(text) for text in stage]
    check_picture(output, quality=quality)
    if keep:
        check_several(output, "--keep")
    if (options["num_images"] or 1) > 1:
        check_several(output, "A run of several pictures")
    if options["init_image"] is not None:
        options["init_image"] = read_picture(options["init_image"])
    with ExitStack() as stack:
        bar = stack.enter_context(progress())
        task = bar.add_task("opening the bundles", total=None)
        # a bundle that is named twice is opened once
        once = {bundle_path(bundle).resolve(): bundle for bundle, _ in parts}
        load = partial(latentlink.load, target=target, verify=verify, threads=threads, vae_memory=vae_memory)
        pipes = {path: stack.enter_context(load(bundle)) for path, bundle in once.items()}
        made = latentlink.chain(
            prompt,
            [latentlink.Stage(pipeline=pipes[bundle_path(bundle).resolve()], **own) for bundle, own in parts],
            negative_prompt=negative_prompt,
            seed=seed,
            fit=fit,
            keep=keep,
            on_step=lambda at: bar.update(task, total=at.rows, completed=at.row, description="denoising"),
            **options,
        )
    names = [bundle for bundle, _ in parts]
    engines = {bundle: pipes[bundle_path(bundle).resolve()].decisions for bundle in names}
    files: list[Path] = []
    notes: list[str] = []
    kept = made.stages[:-1] if keep else ()
    stages = [(one, output.with_stem(f"{output.stem}-stage{number}")) for number, one in enumerate(kept, 1)]
    for result, path in (*stages, (made.stages[-1], output)):
        saved, left_out = written(partial(result.save, path, quality=quality, metadata=not no_metadata))
        files, notes = [*files, *saved], [*notes, *left_out]
    if output_latents is not None:
        made.latents.save(output_latents)
        files.append(output_latents)
    if as_json:
        say_json(
            {
                "files": [str(file) for file in files],
                "stages": [
                    _record(name, result, engines[name]) for name, result in zip(names, made.stages, strict=True)
                ],
                "hops": [
                    {
                        "kind": hop.kind,
                        "source": hop.source,
                        "destination": hop.destination,
                        "spaces": hop.spaces,
                        "round_trip_psnr": decibels(hop.psnr),
                        "resized": hop.resized,
                    }
                    for hop in made.hops
                ],
                "notes": notes,
            }
        )
        return
    for number, (name, result) in enumerate(zip(names, made.stages, strict=True)):
        if number:
            say(_hop(made.hops[number - 1]))
        say(_stage(number, name, result, options["init_image"] is not None))
    say(", ".join(map(str, files)))
    print_skipped(engines)
    for line in notes:
        say(line)


def _read(text: str) -> tuple[str, dict[str, Any]]:
    """Read `demo-b,strength=0.4` as a bundle and its options; a prompt and an interval may contain commas.

    Raises:
        UsageError: A part is not an option, an option occurs twice, or its value is not of its type.
    """
    bundle, *parts = text.split(",")
    pairs: list[tuple[str, str]] = []
    for part in parts:
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if key not in KEYS or not equals:
            if pairs and pairs[-1][0] in HOLD_COMMAS:
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{part}")
                continue
            raise UsageError(
                f"Received {part!r} in the stage {text!r}; expected KEY=VALUE, where KEY is one of: {', '.join(KEYS)}.",
                remedy="A stage looks like demo-b,strength=0.4.",
            )
        if key in dict(pairs):
            raise UsageError(f"The stage {text!r} has {key} twice; expected it once.")
        pairs.append((key, value))
    return bundle, {key: _parse_value(key, value, text) for key, value in pairs}


def _parse_value(key: str, value: str, stage: str) -> Any:
    try:
        return PARSERS[KEYS[key].type](value)
    except UsageError:  # says itself what it expected
        raise
    except ValueError:
        kind = "a whole number" if KEYS[key].type is int else "a number"
        raise UsageError(f"{key} is {value!r} in the stage {stage!r}; expected {kind}.") from None


def _stage(number: int, name: str, result: Result, from_picture: bool) -> str:
    request = result.request
    begins = "from noise"
    if request.denoising_start is not None:
        begins = f"from {request.denoising_start:g} of the run"
    elif number or from_picture:
        begins = f"strength {request.strength:g}"
    return f"stage {number + 1}, {name}: {begins}, {result.seeds}, {settings(request)}, {result.timings['total']:.2f} s"


def _hop(hop: Hop) -> str:
    if hop.kind == "direct":
        return f"  latents handed over unchanged, both of space {hop.spaces[0]}"
    way = transfer_summary(hop.source, hop.destination, hop.resized, hop.psnr)
    return f"  {way} (space {hop.spaces[0]} to {hop.spaces[1]})"


def _record(name: str, result: Result, decisions: Sequence[Decision]) -> dict[str, Any]:
    request = result.request
    return {
        "bundle": name,
        "prompts": [*dict.fromkeys(one.prompt for one in result.requests)],
        "seed": request.seed,
        "seeds": [one.seed for one in result.requests],
        "sampler": request.sampler,
        "sigmas": request.sigmas,
        "steps": request.steps,
        "guidance": request.guidance,
        "strength": request.strength,
        "denoising_start": request.denoising_start,
        "denoising_end": request.denoising_end,
        "width": request.width,
        "height": request.height,
        "requests": [replace(one, earlier=()).to_json() for one in result.records],
        "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
        "engines": decisions_json(decisions),
    }
