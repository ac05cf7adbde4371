"""`latentlink encode`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from latentlink.bundle_names import names_bundle
from latentlink.cli.shared.console import decisions_json, print_skipped
from latentlink.cli.shared.options import (
    SEED,
    guard_option,
    opening_options,
)
from latentlink.cli.shared.order import check_order
from latentlink.cli.shared.outputs import latents_output
from latentlink.cli.shared.pictures import nearest_size
from latentlink.options import OnOff
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import waiting


@click.command(
    epilog="""\b
Examples:
  latentlink encode demo picture.png -o latents.safetensors
  latentlink encode taesd photograph.jpg -o latents.safetensors --fit    # the bundle of a VAE alone
  latentlink encode bundle a.png b.png -o latents.safetensors --seed 7   # one batch, sampled from the posterior
"""
)
@click.argument("bundle")
@click.argument("pictures", metavar="PICTURE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@latents_output("-o", "--output", required=True)
@click.option("--seed", type=SEED, help="Seed of the noise that samples the VAE's posterior.  [default: its mode]")
@click.option("--fit", is_flag=True, help="Resample a picture to the nearest size that the VAE takes, if necessary.")
@guard_option
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundle: str,
    pictures: tuple[Path, ...],
    output: Path,
    seed: int | None,
    fit: bool,
    opening: Mapping[str, Any],
    guard: OnOff,
    as_json: bool,
) -> None:
    """Encode pictures to latents with the VAE of BUNDLE, which may be a VAE alone."""
    import latentlink
    from latentlink.runtime.picture_files import read_picture

    check_order(
        bundle,
        [str(path) for path in pictures],
        fits=names_bundle,
        what="a bundle",
        order="the bundle comes before the pictures",
        usage="latentlink encode BUNDLE PICTURE -o out.safetensors",
    )
    read = [read_picture(path) for path in pictures]
    with (
        waiting("encoding"),
        latentlink.load(bundle, **opening) as pipe,
    ):
        if fit:
            read = [nearest_size(picture, pipe.space.downscale) for picture in read]
        latents = pipe.encode(read, seed=seed, guard=guard)
        latents.save(output)
    shape = list(latents.array.shape)
    if as_json:
        record = {"output": str(output), "symbol": latents.symbol, "shape": shape}
        say_json({**record, "engines": decisions_json(pipe.decisions)})
        return
    say(f"{output}: {latents.symbol}, shape {shape}")
    print_skipped({bundle: pipe.decisions})
