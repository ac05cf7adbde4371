"""`latentlink generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.cli.shared.console import console, print_json, print_passed_over, progress
from latentlink.cli.shared.options import (
    guard_option,
    interval_option,
    memory_option,
    named_space,
    replace_option,
    resident_option,
    space_option,
    step_cache_option,
    target_option,
    verify_option,
)
from latentlink.cli.shared.pictures import check_picture, check_place, opened, save
from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.runtime import Progress


@click.command(
    epilog="""\b
Examples:
  latentlink generate demo "a red circle on a blue background" -o out.png
  latentlink generate bundle "a lighthouse at dusk" -o out.png --seed 7 --steps 25 --sampler dpmpp_2m --sigmas karras
  latentlink generate bundle "a lighthouse" "a windmill" -o out.png --num-images 2    # out-1.png to out-4.png
  latentlink generate bundle "a lighthouse in snow" -o out.png --init-image day.png --strength 0.6
  latentlink generate bundle "a windmill" -o out.png --init-image day.png --mask-image white-where-to-paint.png
  latentlink generate demo "a red circle on a blue background" -o out.png --preview-every 5 --preview-decoder demo-tiny
  latentlink generate bundle "a lighthouse at dusk" -o out.png --step-cache 2    # a bundle exported with --step-cache
  latentlink generate bundle "a (red:1.3) lighthouse" -o out.png --output-latents out.safetensors
  latentlink generate base "a lighthouse" --output-latents half.safetensors --denoising-end 0.8     # no picture yet
  latentlink generate refiner "a lighthouse" -o out.png --init-latents half.safetensors --denoising-start 0.8
"""
)
@click.argument("bundle")
@click.argument("prompt", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Picture to write.")
@click.option("--negative-prompt", help="What to stay away from.")
@click.option("--seed", type=int, help="The same seed gives the same picture; a random one is told.")
@click.option("--steps", type=int, help="Denoising steps.")
@click.option(
    "--guidance", type=float, help="Classifier-free guidance, 1 turns it off; or what a distilled model is told."
)
@interval_option
@step_cache_option
@click.option("--sampler", help="ddim, euler, euler_a, heun, pndm, dpmpp_2m, unipc, lcm, flow_euler, ...")
@click.option("--spacing", help="Timestep spacing: leading, linspace or trailing.")
@click.option("--sigmas", help="Noise levels: karras, exponential or beta.")
@click.option("--shift", type=float, help="Shift of the noise levels of a flow-matching model.")
@click.option("--eta", type=float, help="Share of fresh noise of ddim and tcd, 0 to 1.")
@click.option("--width", type=int, help="Pixels.")
@click.option("--height", type=int, help="Pixels.")
@click.option("--num-images", type=int, default=1, show_default=True, help="Pictures a prompt.")
@click.option("--noise", default="torch", show_default=True, help="torch, or philox for the device-independent one.")
@click.option("--init-image", type=click.Path(path_type=Path), help="Picture to start from.")
@click.option("--mask-image", type=click.Path(path_type=Path), help="White where to paint over --init-image.")
@click.option("--init-latents", type=click.Path(path_type=Path), help="Latents to start from; see --output-latents.")
@space_option
@click.option("--strength", type=float, help="How far the start is noised, 0 to 1.  [default: 0.8, with a mask 1]")
@click.option("--denoising-start", type=float, help="Share of the way that --init-latents have come, 0 to 1.")
@click.option("--denoising-end", type=float, help="Share of the way to stop at, 0 to 1.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="NAME=NUMBERS",
    help="What else the model is told, as original_size=1024,1024; inspect lists the names.",
)
@click.option("--preview-every", type=click.IntRange(1), metavar="N", help="Write OUT-step5.png, .. every N steps.")
@click.option("--preview-decoder", metavar="BUNDLE", help="Bundle whose decoder makes the previews, a small one, say.")
@click.option("--output-latents", type=click.Path(path_type=Path), help="Also write the latents, with their space.")
@guard_option
@replace_option
@target_option
@verify_option
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a run; the processors there are.")
@memory_option
@resident_option
@click.option("--json", "as_json", is_flag=True, help="Print files, seed and timings as JSON.")
def command(
    bundle: str,
    prompt: tuple[str, ...],
    output: Path | None,
    negative_prompt: str | None,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    guidance_interval: tuple[float, float] | None,
    step_cache: int | None,
    sampler: str | None,
    spacing: str | None,
    sigmas: str | None,
    shift: float | None,
    eta: float | None,
    width: int | None,
    height: int | None,
    num_images: int,
    noise: str,
    init_image: Path | None,
    mask_image: Path | None,
    init_latents: Path | None,
    space: str | None,
    strength: float | None,
    denoising_start: float | None,
    denoising_end: float | None,
    conditions: tuple[str, ...],
    preview_every: int | None,
    preview_decoder: str | None,
    output_latents: Path | None,
    guard: str,
    replace: dict[str, str],
    target: str,
    verify: bool | None,
    threads: int | None,
    memory: int | None,
    resident: int | None,
    as_json: bool,
) -> None:
    """Draw PROMPT with BUNDLE. `demo` and `demo-b` are bundles that come with the package."""
    import latentlink

    if output is None and output_latents is None:
        raise UsageError("There is nowhere to write to; expected -o PICTURE, --output-latents FILE, or both.")
    if output is not None:
        check_picture(output)
    if output_latents is not None:
        check_place(output_latents)
    if preview_every is not None and output is None:
        raise UsageError("--preview-every writes beside the picture, and there is none; expected -o PICTURE.")
    if preview_decoder is not None and preview_every is None:
        raise UsageError("--preview-decoder makes previews, and none are asked for.", remedy="Give --preview-every N.")
    pictures = {
        name: None if path is None else opened(path)
        for name, path in (("init_image", init_image), ("mask_image", mask_image))
    }
    if space is not None and init_latents is None:
        raise UsageError("--space says what --init-latents are, and there are none.", remedy="Leave it out.")
    said = named_space(space, [bundle, *replace.values()])
    latents = None if init_latents is None else latentlink.Latents.load(init_latents, space=said)
    files: dict[Path, None] = {}
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(
            bundle,
            target=target,
            replace=replace,
            threads=threads,
            verify=verify,
            memory=memory,
            resident=resident,
            previews=preview_decoder,
        ) as pipe:

            def on_step(at: Progress) -> None:
                if output is not None and preview_every and at.step % preview_every == 0 and at.row < at.rows:
                    at_step = output.with_stem(f"{output.stem}-step{at.step}")
                    files.update(dict.fromkeys(save(pipe.preview(at.predicted()), at_step)))
                state = "denoising" if at.row < at.rows else "decoding"
                bar.update(task, total=at.rows, completed=at.row, description=state)

            result = pipe.generate(
                list(prompt),
                negative_prompt=negative_prompt,
                seed=seed,
                steps=steps,
                guidance=guidance,
                guidance_interval=guidance_interval,
                step_cache=step_cache,
                sampler=sampler,
                spacing=spacing,
                sigmas=sigmas,
                shift=shift,
                eta=eta,
                width=width,
                height=height,
                num_images=num_images,
                noise=noise,
                **pictures,
                init_latents=latents,
                strength=strength,
                denoising_start=denoising_start,
                denoising_end=denoising_end,
                conditions=_conditions(conditions),
                decode=output is not None,
                guard=guard,
                on_step=on_step,
            )
    if output is not None:
        files.update(dict.fromkeys(save(result.images, output)))
    if output_latents is not None:
        result.latents.save(output_latents)
        files[output_latents] = None
    if as_json:
        print_json(
            {
                "files": [str(file) for file in files],
                "seed": result.request.seed,
                "sampler": result.request.sampler,
                "steps": result.request.steps,
                "passes": dict(result.passes),
                "notes": list(result.notes),
                "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
                "engines": list(pipe.notes),
            }
        )
        return
    request = result.request
    several = "".join(f", {component} in {count} passes" for component, count in result.passes.items())
    console.print(
        f"{', '.join(map(str, files))}: seed {request.seed}, {request.sampler}, {request.steps} steps, "
        f"{request.width}x{request.height}, {result.timings['total']:.2f} s{several}."
    )
    print_passed_over({bundle: pipe.notes})
    for note in result.notes:
        console.print(note, soft_wrap=True, highlight=False)


def _conditions(asked: tuple[str, ...]) -> dict[str, list[float]]:
    """`original_size=1024,1024` as a name and its numbers."""
    read = {}
    for text in asked:
        name, _, numbers = text.partition("=")
        try:
            read[name] = [float(number) for number in numbers.split(",")]
        except ValueError:
            raise UsageError(f"{text!r} is not a condition; expected NAME=NUMBER,NUMBER.") from None
    return read
