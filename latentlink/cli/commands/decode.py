"""`latentlink decode`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from latentlink.bundle_names import names_bundle
from latentlink.cli.shared.console import decisions_json, print_skipped
from latentlink.cli.shared.options import (
    guard_option,
    named_space,
    opening_options,
    space_option,
)
from latentlink.cli.shared.order import check_order
from latentlink.cli.shared.outputs import check_several, output_option
from latentlink.cli.shared.pictures import quality_option
from latentlink.options import OnOff
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import waiting


@click.command(
    epilog="""\b
Examples:
  latentlink decode demo latents.safetensors -o picture.png
  latentlink decode taesd latents.safetensors -o picture.png      # the bundle of a VAE alone
  latentlink decode taesd other-program.safetensors --space sd -o picture.png
"""
)
@click.argument("bundle")
@click.argument("latents", type=click.Path(path_type=Path))
@output_option(required=True)
@quality_option
@space_option
@guard_option
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundle: str,
    latents: Path,
    output: Path,
    quality: int | None,
    space: str | None,
    opening: Mapping[str, Any],
    guard: OnOff,
    as_json: bool,
) -> None:
    """Decode LATENTS, a latents file, to pictures with the VAE of BUNDLE, which may be a VAE alone."""
    import latentlink
    from latentlink.runtime.picture_files import check_picture, save_pictures

    check_order(
        bundle,
        [str(latents)],
        fits=names_bundle,
        what="a bundle",
        order="the bundle comes before the latents",
        usage="latentlink decode BUNDLE LATENTS -o out.png",
    )
    check_picture(output, quality=quality)
    read = latentlink.Latents.load(latents, space=named_space(space, [bundle, *opening["replace"].values()]))
    with (
        waiting("decoding"),
        latentlink.load(bundle, **opening) as pipe,
    ):
        if len(read.array) > 1:
            check_several(output, "Decoding several latents")
        images = pipe.decode(read, guard=guard)
    files = save_pictures(images, output, quality=quality)
    if as_json:
        say_json({"files": [str(file) for file in files], "engines": decisions_json(pipe.decisions)})
        return
    width, height = images[0].size
    say(f"{', '.join(map(str, files))}: {width}x{height}, decoded from {read.symbol}")
    print_skipped({bundle: pipe.decisions})
