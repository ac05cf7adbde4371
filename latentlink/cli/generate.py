"""`latentlink generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.cli._console import console, print_json, progress
from latentlink.cli._options import replace_option, target_option
from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.runtime import Result


@click.command(
    epilog="""\b
Examples:
  latentlink generate demo "a red circle on a blue background" -o out.png
  latentlink generate bundle "a lighthouse at dusk" -o out.png --seed 7 --steps 25 --sampler dpmpp_2m --sigmas karras
  latentlink generate bundle "a lighthouse" "a windmill" -o out.png --num-images 2    # out-1.png to out-4.png
  latentlink generate bundle "a lighthouse" -o out.png --output-latents out.safetensors
"""
)
@click.argument("bundle")
@click.argument("prompt", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Picture to write.")
@click.option("--negative-prompt", default="", help="What to stay away from.")
@click.option("--seed", type=int, help="The same seed gives the same picture; a random one is told.")
@click.option("--steps", type=int, help="Denoising steps.")
@click.option("--guidance", type=float, help="Classifier-free guidance; 1 turns it off.")
@click.option("--sampler", help="ddim, ddpm, euler, euler_a, heun, dpm2, lms, pndm, dpmpp_2m, ...")
@click.option("--spacing", help="Timestep spacing: leading, linspace or trailing.")
@click.option("--sigmas", help="Noise levels: karras, exponential or beta.")
@click.option("--eta", type=float, help="Share of fresh noise of ddim and tcd, 0 to 1.")
@click.option("--width", type=int, help="Pixels.")
@click.option("--height", type=int, help="Pixels.")
@click.option("--num-images", type=int, default=1, show_default=True, help="Pictures a prompt.")
@click.option("--noise", default="torch", show_default=True, help="torch, or philox for the device-independent one.")
@click.option("--output-latents", type=click.Path(path_type=Path), help="Also write the latents, with their space.")
@replace_option
@target_option
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a run; the processors there are.")
@click.option("--json", "as_json", is_flag=True, help="Print files, seed and timings as JSON.")
def command(
    bundle: str,
    prompt: tuple[str, ...],
    output: Path,
    negative_prompt: str,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    spacing: str | None,
    sigmas: str | None,
    eta: float | None,
    width: int | None,
    height: int | None,
    num_images: int,
    noise: str,
    output_latents: Path | None,
    replace: dict[str, str],
    target: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Draw PROMPT with BUNDLE. `demo` and `demo-b` are bundles that come with the package."""
    import latentlink

    _check_output(output)
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, target=target, replace=replace, threads=threads) as pipe:
            result = pipe.generate(
                list(prompt),
                negative_prompt=negative_prompt,
                seed=seed,
                steps=steps,
                guidance=guidance,
                sampler=sampler,
                spacing=spacing,
                sigmas=sigmas,
                eta=eta,
                width=width,
                height=height,
                num_images=num_images,
                noise=noise,
                on_step=lambda at: bar.update(
                    task,
                    total=at.rows,
                    completed=at.row,
                    description="denoising" if at.row < at.rows else "decoding",
                ),
            )
    files = _save(result, output)
    if output_latents is not None:
        result.latents.save(output_latents)
    if as_json:
        print_json(
            {
                "files": [str(file) for file in files],
                "seed": result.request.seed,
                "sampler": result.request.sampler,
                "steps": result.request.steps,
                "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
                "engines": list(pipe.notes),
            }
        )
        return
    request = result.request
    console.print(
        f"{', '.join(map(str, files))}: seed {request.seed}, {request.sampler}, {request.steps} steps, "
        f"{request.width}x{request.height}, {result.timings['total']:.2f} s."
    )


def _check_output(output: Path) -> None:
    """Say what is wrong with the output before the work, not after it."""
    from PIL import Image

    Image.init()
    if output.suffix.lower() not in Image.EXTENSION:
        raise UsageError(f"{str(output)!r} has no ending that Pillow writes; expected .png, .jpg or .webp, say.")
    if not output.parent.is_dir():
        raise UsageError(f"There is no directory {str(output.parent)!r} to write {output.name} to.")


def _save(result: Result, output: Path) -> list[Path]:
    """Write the pictures, each whole or not at all: OUT.png, or OUT-1.png, OUT-2.png where there are several."""
    from latentlink.engine.files import atomic_file

    many = len(result.images) > 1
    names = [
        output.with_stem(f"{output.stem}-{number}") if many else output for number in range(1, len(result.images) + 1)
    ]
    for name, image in zip(names, result.images, strict=True):
        with atomic_file(name) as part, part.open("wb") as file:
            image.save(file, format=_format(name))
    return names


def _format(path: Path) -> str:
    from PIL import Image

    return Image.EXTENSION[path.suffix.lower()]
