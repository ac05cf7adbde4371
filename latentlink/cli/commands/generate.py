"""`latentlink generate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlink.bundle_names import names_bundle
from latentlink.cli.shared.again import fitted, like_option, options_like, told
from latentlink.cli.shared.console import decisions_json, print_skipped
from latentlink.cli.shared.options import (
    STEPS,
    generation_options,
    named_space,
    opening_options,
    space_option,
)
from latentlink.cli.shared.order import check_order
from latentlink.cli.shared.outputs import check_several, latents_output, output_option
from latentlink.cli.shared.pictures import no_metadata_option, quality_option, read_quietly, written
from latentlink.cli.shared.words import admissions, notices, settings
from latentlink.errors import UsageError
from latentlink.options import OPTIONS
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import progress

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
  latentlink generate bundle --like out.png -o again.png             # the same picture, from what its file says
  latentlink generate bundle --like out.png -o other.png --seed -1   # the same settings, another picture
  latentlink generate demo "a red circle on a blue background" -o out.png --preview-every 5 --preview-decoder demo-tiny
  latentlink generate bundle "a lighthouse at dusk" -o out.png --step-cache 2    # a bundle exported with --step-cache
  latentlink generate bundle "a (red:1.3) lighthouse" -o out.png --output-latents out.safetensors
  latentlink generate base "a lighthouse" --output-latents half.safetensors --denoising-end 0.8     # no picture yet
  latentlink generate refiner "a lighthouse" -o out.png --init-latents half.safetensors --denoising-start 0.8
"""
)
@click.argument("bundle")
@click.argument("prompt", nargs=-1)
@output_option()
@like_option
@generation_options(name for name in OPTIONS if name != "decode")
@space_option
@click.option("--preview-every", type=STEPS, metavar="N", help="Write a preview every N steps: OUT-step5.png, ...")
@click.option(
    "--preview-decoder", metavar="BUNDLE", help="Bundle whose decoder makes the previews.  [default: the model's own]"
)
@quality_option
@no_metadata_option
@latents_output("--output-latents")
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundle: str,
    prompt: tuple[str, ...],
    output: Path | None,
    like: Path | None,
    space: str | None,
    preview_every: int | None,
    preview_decoder: str | None,
    quality: int | None,
    no_metadata: bool,
    output_latents: Path | None,
    opening: Mapping[str, Any],
    as_json: bool,
    **options: Any,
) -> None:
    """Draw PROMPT with BUNDLE. The bundles `demo` and `demo-b` come with the package."""
    import latentlink
    from latentlink.runtime.picture_files import check_picture, read_picture, save_pictures

    check_order(
        bundle,
        prompt,
        fits=names_bundle,
        what="a bundle",
        order="the bundle comes before the prompt",
        usage="latentlink generate BUNDLE PROMPT -o out.png",
    )
    if not prompt and like is None:
        raise UsageError("There is no prompt; expected one after the bundle, or --like PICTURE.")
    if output is None and output_latents is None:
        raise UsageError("There is nothing to write; expected -o PICTURE, --output-latents FILE, or both.")
    original = None if like is None else read_quietly(like)
    prompts = list(prompt)
    if original is not None:
        prompts, options = options_like(original, prompt, options)
    if output is not None:
        check_picture(output, options["width"], options["height"], quality=quality)
    elif quality is not None:
        raise UsageError("--quality is that of a picture, and there is none; expected -o PICTURE.")
    if preview_every is not None:
        if output is None:
            raise UsageError("--preview-every writes next to the picture, and there is none; expected -o PICTURE.")
        check_several(output, "--preview-every")
    if output is not None and len(prompts) * (options["num_images"] or 1) > 1:
        check_several(output, "A run of several pictures")
    if preview_decoder is not None and preview_every is None:
        raise UsageError("--preview-decoder needs --preview-every.", remedy="Give --preview-every N.")
    for name in ("init_image", "mask_image"):
        if options[name] is not None:
            options[name] = read_picture(options[name])
    if options["init_latents"] is not None:
        known = named_space(space, [bundle, *opening["replace"].values()])
        options["init_latents"] = latentlink.Latents.load(options["init_latents"], space=known)
    elif space is not None:
        raise UsageError("--space names the space of --init-latents, and there are none.", remedy="Leave it out.")
    files: dict[Path, None] = {}
    notes: list[str] = []
    with progress() as bar:
        task = bar.add_task("opening the bundle", total=None)
        with latentlink.load(bundle, **opening, previews=preview_decoder) as pipe:

            def on_step(at: Progress) -> None:
                if output is not None and preview_every and at.step % preview_every == 0 and at.row < at.rows:
                    at_step = output.with_stem(f"{output.stem}-step{at.step}")
                    previews = save_pictures(pipe.preview(at.predicted()), at_step, quality=quality)
                    files.update(dict.fromkeys(previews))
                state = "denoising" if at.row < at.rows else "decoding"
                bar.update(task, total=at.rows, completed=at.row, description=state)

            if original is not None:
                options = fitted(original, pipe, options)
            result = pipe.generate(prompts, decode=output is not None, on_step=on_step, **options)
    if output is not None:
        made, notes = written(lambda: result.save(output, quality=quality, metadata=not no_metadata))
        files.update(dict.fromkeys(made))
    if original is not None:
        notes += told(original, result)
    if output_latents is not None:
        result.latents.save(output_latents)
        files[output_latents] = None
    if as_json:
        say_json(
            {
                "files": [str(file) for file in files],
                "seed": result.request.seed,
                "seeds": [request.seed for request in result.requests],
                "sampler": result.request.sampler,
                "spacing": result.request.spacing,
                "sigmas": result.request.sigmas,
                "steps": result.request.steps,
                "guidance": result.request.guidance,
                "width": result.request.width,
                "height": result.request.height,
                "requests": [record.to_json() for record in result.records],
                "notes": notes,
                "passes": dict(result.passes),
                "mended": [asdict(one) for one in result.mended],
                "unmeasured_cache": asdict(result.unmeasured_cache) if result.unmeasured_cache else None,
                "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
                "engines": decisions_json(pipe.decisions),
            }
        )
        return
    several = "".join(f", {component} in {count} passes" for component, count in result.passes.items())
    say(
        f"{', '.join(map(str, files))}: {result.seeds}, {settings(result.request)}, "
        f"{result.timings['total']:.2f} s{several}."
    )
    print_skipped({bundle: pipe.decisions})
    for line in (*admissions(pipe.decisions), *notices(result), *notes):
        say(line)
