"""`latentlink chain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlink.cli.shared.console import console, decibels, moved, print_json, print_passed_over, progress
from latentlink.cli.shared.options import guard_option, memory_option, parse_interval, target_option
from latentlink.cli.shared.pictures import check_picture, check_place, opened, save
from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.runtime import Hop, Result

KEYS: Mapping[str, Callable[[str], Any]] = {
    "strength": float,
    "steps": int,
    "guidance": float,
    "guidance_interval": parse_interval,
    "step_cache": int,
    "sampler": str,
    "seed": int,
    "prompt": str,
    "negative_prompt": str,
    "width": int,
    "height": int,
    "spacing": str,
    "sigmas": str,
    "shift": float,
    "eta": float,
    "denoising_start": float,
    "denoising_end": float,
}
"""What a STAGE may say, and how it is read."""

HOLD_COMMAS = ("prompt", "negative_prompt", "guidance_interval")
"""Keys whose values may hold commas."""


@click.command(
    epilog="""\b
Examples:
  latentlink chain "a red circle on a blue background" demo demo-b,strength=0.4 -o out.png
  latentlink chain "a lighthouse" sd15 sdxl,strength=0.5,width=1024 sdxl,strength=0.2,steps=50 -o out.png --keep
  latentlink chain "a lighthouse" base,denoising_end=0.8 refiner,denoising_start=0.8 -o out.png
  latentlink chain "an oil painting of a lighthouse" --init-image day.png sd15,strength=0.6 sdxl,strength=0.3 -o out.png
\b
A STAGE is a bundle and what it is told, joined by commas; the keys are:
  """
    + ", ".join([*KEYS][:9])
    + ",\n  "
    + ", ".join([*KEYS][9:])
    + "\n"
)
@click.argument("prompt")
@click.argument("stage", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Picture to write.")
@click.option("--negative-prompt", help="What to stay away from, in the stages that do not say it.")
@click.option("--seed", type=int, help="Of the first stage; each after it takes one more.  [default: a random one]")
@click.option("--num-images", type=int, default=1, show_default=True, help="Pictures.")
@click.option("--noise", default="torch", show_default=True, help="torch, or philox for the device-independent one.")
@click.option("--init-image", type=click.Path(path_type=Path), help="Picture that the first stage starts from.")
@click.option("--fit", is_flag=True, help="Resample to the nearest size where the next model does not take this one.")
@click.option("--keep", is_flag=True, help="Also write the picture after every stage: OUT-stage1.png, ...")
@click.option("--output-latents", type=click.Path(path_type=Path), help="Also write the last latents.")
@target_option
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a run; the processors there are.")
@guard_option
@memory_option
@click.option("--json", "as_json", is_flag=True, help="Print files, stages and hops as JSON.")
def command(
    prompt: str,
    stage: tuple[str, ...],
    output: Path,
    negative_prompt: str | None,
    seed: int | None,
    num_images: int,
    noise: str,
    init_image: Path | None,
    fit: bool,
    keep: bool,
    output_latents: Path | None,
    target: str,
    threads: int | None,
    guard: str,
    memory: int | None,
    as_json: bool,
) -> None:
    """Draw PROMPT with the first STAGE, and refine it with each of the others.

    Each STAGE is BUNDLE[,key=value,...], as in demo-b,strength=0.4. Between two latent spaces the picture is decoded
    and encoded again; within one, the latents are handed over as they are.
    """
    import latentlink
    from latentlink.runtime import bundle_path

    asked = [_read(text) for text in stage]
    check_picture(output)
    if output_latents is not None:
        check_place(output_latents)
    start = None if init_image is None else opened(init_image)
    with ExitStack() as stack:
        bar = stack.enter_context(progress())
        task = bar.add_task("opening the bundles", total=None)
        # a bundle that is named twice is opened once
        once = {bundle_path(bundle).resolve(): bundle for bundle, _ in asked}
        pipes = {
            path: stack.enter_context(latentlink.load(bundle, target=target, threads=threads, memory=memory))
            for path, bundle in once.items()
        }
        made = latentlink.chain(
            prompt,
            [latentlink.Stage(pipeline=pipes[bundle_path(bundle).resolve()], **options) for bundle, options in asked],
            negative_prompt=negative_prompt,
            seed=seed,
            num_images=num_images,
            noise=noise,
            init_image=start,
            fit=fit,
            keep=keep,
            guard=guard,
            on_step=lambda at: bar.update(task, total=at.rows, completed=at.row, description="denoising"),
        )
    names = [bundle for bundle, _ in asked]
    engines = {bundle: pipes[bundle_path(bundle).resolve()].notes for bundle in names}
    files = []
    for number, result in enumerate(made.stages[:-1], 1):
        if keep:
            files += save(result.images, output.with_stem(f"{output.stem}-stage{number}"))
    files += save(made.images, output)
    if output_latents is not None:
        made.latents.save(output_latents)
        files.append(output_latents)
    if as_json:
        print_json(
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
            }
        )
        return
    for number, (name, result) in enumerate(zip(names, made.stages, strict=True)):
        if number:
            console.print(_hop(made.hops[number - 1]), soft_wrap=True)
        console.print(_stage(number, name, result, start is not None), soft_wrap=True)
    console.print(", ".join(map(str, files)), soft_wrap=True)
    print_passed_over(engines)


def _read(text: str) -> tuple[str, dict[str, Any]]:
    """`demo-b,strength=0.4` as a bundle and its options; a prompt and an interval may hold commas."""
    bundle, *parts = text.split(",")
    said: list[tuple[str, str]] = []
    for part in parts:
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if key not in KEYS or not equals:
            if said and said[-1][0] in HOLD_COMMAS:
                said[-1] = (said[-1][0], f"{said[-1][1]},{part}")
                continue
            raise UsageError(
                f"Received {part!r} in the stage {text!r}; expected KEY=VALUE, where KEY is one of: {', '.join(KEYS)}.",
                remedy="A stage looks like demo-b,strength=0.4.",
            )
        if key in dict(said):
            raise UsageError(f"The stage {text!r} says {key} twice; expected it once.")
        said.append((key, value))
    options = {}
    for key, value in said:
        try:
            options[key] = KEYS[key](value)
        except UsageError:  # says itself what it expected
            raise
        except ValueError:
            kind = "a whole number" if KEYS[key] is int else "a number"
            raise UsageError(f"{key} is {value!r} in the stage {text!r}; expected {kind}.") from None
    return bundle, options


def _stage(number: int, name: str, result: Result, from_picture: bool) -> str:
    asked = result.request
    begins = "from noise"
    if asked.denoising_start is not None:
        begins = f"from {asked.denoising_start:g} of the way"
    elif number or from_picture:
        begins = f"strength {asked.strength:g}"
    return (
        f"stage {number + 1}, {name}: {begins}, seed {asked.seed}, {asked.sampler}, {asked.steps} steps, "
        f"{asked.width}x{asked.height}, {result.timings['total']:.2f} s"
    )


def _hop(hop: Hop) -> str:
    if hop.kind == "direct":
        return f"  latents handed over as they are, both of space {hop.spaces[0]}"
    way = moved(hop.source, hop.destination, hop.resized, hop.psnr)
    return f"  {way} (space {hop.spaces[0]} to {hop.spaces[1]})"


def _record(name: str, result: Result, notes: Sequence[str]) -> dict[str, Any]:
    asked = result.request
    return {
        "bundle": name,
        "prompts": asked.prompts,
        "seed": asked.seed,
        "sampler": asked.sampler,
        "steps": asked.steps,
        "strength": asked.strength,
        "denoising_start": asked.denoising_start,
        "denoising_end": asked.denoising_end,
        "width": asked.width,
        "height": asked.height,
        "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
        "engines": list(notes),
    }
