"""`latentlink transfer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.bundle_names import names_bundle
from latentlink.cli.shared.console import decibels, decisions_json, print_skipped, transfer_summary
from latentlink.cli.shared.options import (
    SIDE,
    guard_option,
    named_space,
    space_option,
    target_option,
    vae_memory_option,
    verify_option,
)
from latentlink.cli.shared.outputs import latents_output
from latentlink.errors import UsageError
from latentlink.options import OnOff
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import waiting

if TYPE_CHECKING:
    from latentlink.runtime import TransferResult


@click.command(
    epilog="""\b
Examples:
  latentlink generate demo "a red circle on a blue background" -o a.png --output-latents a.safetensors
  latentlink transfer a.safetensors --from demo --to demo-b -o b.safetensors
  latentlink transfer a.safetensors --from demo --to demo-b -o b.safetensors --width 96
  latentlink transfer other-program.safetensors --space sd --from sd15 --to sdxl -o b.safetensors --fit
"""
)
@click.argument("latents", type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="BUNDLE", required=True, help="Bundle that decodes the latents.")
@click.option("--to", "destination", metavar="BUNDLE", required=True, help="Bundle that encodes the pictures.")
@latents_output("-o", "--output", required=True)
@click.option(
    "--width",
    type=SIDE,
    help="Width in pixels to resample the pictures to; without --height the proportions stay.  [default: their own]",
)
@click.option(
    "--height",
    type=SIDE,
    help="Height in pixels to resample the pictures to; without --width the proportions stay.  [default: their own]",
)
@click.option("--fit", is_flag=True, help="Resample to the nearest size that the model of --to accepts, if necessary.")
@space_option
@guard_option
@target_option
@verify_option
@vae_memory_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    latents: Path,
    source: str,
    destination: str,
    output: Path,
    width: int | None,
    height: int | None,
    fit: bool,
    space: str | None,
    guard: OnOff,
    target: str,
    verify: bool | None,
    vae_memory: int | None,
    as_json: bool,
) -> None:
    """Move LATENTS from one model's latent space to another's: decode, then encode again."""
    import latentlink

    if names_bundle(str(latents)):
        raise UsageError(
            f"{str(latents)!r} is a bundle; expected a latents file before the options.",
            remedy="--from and --to name the bundles; latentlink generate --output-latents FILE writes such a file.",
        )
    with waiting("decoding and encoding"):
        read = latentlink.Latents.load(latents, space=named_space(space, [source, destination]))
        with (
            latentlink.load(source, target=target, verify=verify, vae_memory=vae_memory) as first,
            latentlink.load(destination, target=target, verify=verify, vae_memory=vae_memory) as second,
        ):
            done = latentlink.transfer(
                read, source=first, destination=second, width=width, height=height, fit=fit, guard=guard
            )
        done.latents.save(output)
    engines = {source: first.decisions, destination: second.decisions}
    if as_json:
        say_json(
            {
                "output": str(output),
                "symbol": done.latents.symbol,
                "decoded_by": done.decoded_by,
                "resized": done.resized,
                "encoded_by": done.encoded_by,
                "round_trip_psnr": decibels(done.psnr),
                "round_trip_psnrs": [decibels(one) for one in done.psnrs],
                "engines": {name: decisions_json(listed) for name, listed in engines.items()},
            }
        )
        return
    say(f"{output}: {done.latents.symbol}")
    say(_words(done))
    print_skipped(engines)


def _words(done: TransferResult) -> str:
    if done.direct:
        return "handed over unchanged: the space is the same"
    each = f" ({', '.join(f'{one:.1f}' for one in done.psnrs)})" if len(done.psnrs) > 1 else ""
    return f"{transfer_summary(done.decoded_by, done.encoded_by, done.resized, done.psnr)}{each}"
