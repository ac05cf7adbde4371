"""`latentlink export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from latentlink.bundle_names import bundle_path, names_bundle, new_bundle_path
from latentlink.cli.shared.order import check_order, is_checkpoint
from latentlink.errors import UsageError
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.export.parity import Parity
    from latentlink.spaces import LatentSpace


PARTS = {
    "vae": "VAE to use in place of the checkpoint's own, or where it has none: a diffusers directory of a whole model "
    "or of the VAE, a .safetensors file of it, or org/name on the Hub.",
    "text_encoder": "The same for the text encoder.",
    "text_encoder_2": "The same for the second text encoder: T5 of FLUX.1, CLIP-G of the others.",
    "text_encoder_3": "The same for the third text encoder, T5 of Stable Diffusion 3.",
}
_OTHER_TOKENIZER = "The same for this tokenizer alone."


def _part_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `PARTS`, in this order."""
    for part, text in reversed(PARTS.items()):
        name = f"--{part.replace('_', '-')}"
        function = click.option(name, part, type=click.Path(path_type=Path), metavar="PATH", help=text)(function)
    return function


@click.command(
    epilog="""\b
Examples:
  latentlink export stable-diffusion-v1-5 exported
  latentlink export my-model exported --dtype float16 --io-dtype float16 --wide vae_decoder
  latentlink export my-model exported --space sd
  latentlink export taesdxl exported --space sdxl
  latentlink export my-finetuned-vae exported --space-of my-bundle
  latentlink export org/name exported
  latentlink export stable-diffusion-3 exported --without text_encoder_3
  latentlink export stable-diffusion-v1-5 exported --step-cache 1
  latentlink export v2-1.safetensors exported --prediction v_prediction --tokenizer my-tokenizer
  latentlink export dreamshaper_8.safetensors exported --vae vae-ft-mse-840000-ema-pruned.safetensors
  latentlink export flux1-dev.safetensors exported --vae ae.safetensors --text-encoder clip_l.safetensors \\
    --text-encoder-2 t5xxl_fp16.safetensors
"""
)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out")
@click.option("--family", default="auto", show_default=True, help="Family of the model; auto detects it.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Precision that the components compute in.",
)
@click.option(
    "--io-dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="dtype of tensors that pass between engines. float32 keeps the sampler's state precise; float16 saves memory.",
)
@click.option(
    "--space", metavar="NAME", help="Latent space, if the checkpoint does not say it: a known name or a new one."
)
@click.option(
    "--space-of",
    metavar="BUNDLE",
    help="Bundle or export with the same latent space, for a VAE that was fine-tuned or distilled from its VAE.",
)
@click.option(
    "--prediction",
    type=click.Choice(["epsilon", "v_prediction", "sample"]),
    help="Prediction of the denoiser, if the checkpoint does not say it.",
)
@_part_options
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the tokenizers for a single-file checkpoint: their files, or another checkpoint's directory.",
)
@click.option("--tokenizer-2", type=click.Path(path_type=Path, exists=True, file_okay=False), help=_OTHER_TOKENIZER)
@click.option("--tokenizer-3", type=click.Path(path_type=Path, exists=True, file_okay=False), help=_OTHER_TOKENIZER)
@click.option(
    "--clip-skip",
    type=click.IntRange(0, 11),
    default=0,
    show_default=True,
    help="Last layers of the CLIP text encoders to skip, beyond those that the family skips.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="PART",
    help="Optional part of the model to leave out, such as text_encoder_3. May be repeated.",
)
@click.option(
    "--wide",
    multiple=True,
    metavar="PART",
    help="Also export vae_decoder or vae_encoder in float32, for results that overflow in half precision. May be "
    "repeated.",
)
@click.option(
    "--step-cache",
    type=click.IntRange(1),
    metavar="LAYERS",
    help="Also export a shallow denoiser, the last LAYERS layers of a UNet, for generate --step-cache. 1 saves most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    checkpoint: Path,
    out: str,
    family: str,
    dtype: str,
    io_dtype: str,
    space: str | None,
    space_of: str | None,
    prediction: str | None,
    tokenizer: Path | None,
    clip_skip: int,
    without: tuple[str, ...],
    wide: tuple[str, ...],
    step_cache: int | None,
    as_json: bool,
    **parts: Path | None,
) -> None:
    """Export CHECKPOINT (a diffusers directory, a .safetensors file or org/name on the Hub) to typed ONNX in OUT.

    Every component is compared with torch in float32; the figures are printed and stored in OUT/manifest.json.
    """
    new_bundle_path(out, "OUT")
    if names_bundle(str(checkpoint)):
        raise UsageError(
            f"{str(checkpoint)!r} is a bundle or export already; expected a checkpoint.",
            remedy="latentlink inspect shows what it holds.",
        )
    check_order(
        str(checkpoint),
        [out],
        fits=is_checkpoint,
        what="a checkpoint",
        order="the checkpoint comes before the export",
        usage="latentlink export CHECKPOINT OUT",
    )

    from latentlink.export.checkpoints import ExportOptions
    from latentlink.export.component_export import ExportedComponent
    from latentlink.export.exporter import export_checkpoint

    done: list[ExportedComponent] = []
    notes: list[str] = []
    began = perf_counter()
    with progress() as bar:
        task = bar.add_task("reading the checkpoint", total=None)

        def finished(component: ExportedComponent) -> None:
            done.append(component)
            bar.advance(task)
            if not as_json:
                say(_line(component.name, component.parity))

        def noted(note: str) -> None:
            notes.append(note)
            if not as_json:
                say(f"  {note}.")

        manifest = export_checkpoint(
            checkpoint,
            out,
            family=family,
            options=ExportOptions(
                dtype=dtype,
                io_dtype=io_dtype,
                space=space if space_of is None else _space_of(space_of, space),
                prediction=prediction,
                tokenizer=tokenizer,
                parts={part: path for part, path in parts.items() if path is not None},
                clip_skip=clip_skip,
                without=without,
                wide=wide,
                step_cache=step_cache,
            ),
            on_component=lambda number, count, name: bar.update(
                task, total=count, completed=number, description=f"exporting {name}"
            ),
            on_done=finished,
            on_note=noted,
        )
    if as_json:
        components = {c.name: None if c.parity is None else c.parity.to_json() for c in done}
        say_json({"out": out, "family": manifest.family, "notes": notes, "parity": components})
        return
    names = ", ".join(f"{s.name} ({s.numbers()})" for s in manifest.spaces)
    say(f"{out}: family {manifest.family}, latent space {names}, {perf_counter() - began:.0f} s.")
    say(f"Next: latentlink build {out} BUNDLE")


def _space_of(bundle: str, named: str | None) -> LatentSpace:
    """The one latent space of a bundle or export."""
    from latentlink.engine.bundle import Bundle

    if named is not None:
        raise UsageError(
            f"Received --space {named} and --space-of {bundle}; expected one of the two.", remedy="Leave one out."
        )
    # whether its engines agree with its manifest is checked when they are linked
    spaces = Bundle.open(bundle_path(bundle), check_files=False).manifest.spaces
    if len(spaces) != 1:
        found = ", ".join(space.name for space in spaces) or "none"
        raise UsageError(f"{bundle!r} has the latent spaces: {found}; expected one.", remedy="Name another bundle.")
    return spaces[0]


def _line(name: str, parity: Parity | None) -> str:
    if parity is None:
        return f"  {name}: not compared, ONNX Runtime's CPU kernels have no bfloat16"
    other = "its plain graph" if parity.reference == "onnx" else "torch"
    return (
        f"  {name}: agrees with {other} within {parity.relative:.1e} of its largest number "
        f"(tolerance {parity.tolerance:.0e})"
    )
