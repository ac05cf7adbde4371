"""Photographs through the published tiny VAEs: through the right decoder, through the wrong one, and transferred.

python -m latentlink.bench.sheets.photographs --weights DIR [-o OUT.jpg]

DIR holds the files of TAESD and TAESDXL, and scikit-image the photographs. docs/compatibility.md holds the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import numpy as np
from PIL import Image

from latentlink.bench.sheets.compat import Halves, Picture, open_halves, resize
from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.engine.quality import psnr
from latentlink.errors import UsageError
from latentlink.terminal.module import OutFile, command, run_command

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
"""Photographs that scikit-image carries, in the public domain (by NASA and SpaceX) or CC0 (`coffee`, `chelsea`)."""

SIDE, SHOWN, QUALITY = 256, 192, 88
"""Side of a photograph and of its picture in the sheet, in pixels, and the sheet's JPEG quality."""

OWN, FORCED, MOVED, BACK = "its own decoder", "forced through the other", "transferred", "and back"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One photograph, encoded to one space and decoded in every way.

    Args:
        name: Name of the photograph.
        spaces: Its latents' space, and the other.
        photograph: uint8 sRGB `[H, W, 3]`.
        pictures: Like `photograph`, by the way of decoding: its own decoder; the other space's; a transfer to the other
            space; a transfer there and back.
    """

    name: str
    spaces: tuple[str, str]
    photograph: Picture
    pictures: Mapping[str, Picture]

    def psnr(self, way: str) -> float:
        """PSNR of a decoded picture against the photograph, in dB."""
        return psnr(self.photograph, self.pictures[way])


def photograph(name: str) -> Picture:
    """The central square of a photograph, `[SIDE, SIDE, 3]`."""
    from skimage import data

    whole = Image.fromarray(getattr(data, name)())
    side = min(whole.size)
    left, top = (whole.width - side) // 2, (whole.height - side) // 2
    return resize(np.asarray(whole.crop((left, top, left + side, top + side))), SIDE, SIDE)


def trials(bundles: Mapping[str, Path], names: Sequence[str] = PHOTOGRAPHS) -> Iterator[Trial]:
    """Every photograph in both spaces.

    Args:
        bundles: Bundles of two VAEs, by space.
        names: Photographs of scikit-image.

    Raises:
        UsageError: A bundle lacks a half of its VAE, or their latents differ in shape.
    """
    with ExitStack() as stack:
        halves = {space: open_halves(str(bundle), stack) for space, bundle in bundles.items()}
        first, second = halves
        for name in names:
            for own, other in ((first, second), (second, first)):
                yield _trial(name, (own, other), halves[own], halves[other])


def _trial(name: str, spaces: tuple[str, str], own: Halves, other: Halves) -> Trial:
    shown = photograph(name)
    latents = own.encode(shown)
    decoded = None if latents is None else own.decode(latents)
    forced = None if latents is None else other.decode(latents)
    moved = None if decoded is None else other.again(decoded)
    back = None if moved is None else own.again(moved)
    pictures = {OWN: decoded, FORCED: forced, MOVED: moved, BACK: back}
    made = {way: picture for way, picture in pictures.items() if picture is not None}
    if made.keys() != pictures.keys():
        raise UsageError(f"{own.name} and {other.name} need encoders, and latents of one shape, to be compared.")
    return Trial(name=name, spaces=spaces, photograph=shown, pictures=made)


def table(found: Sequence[Trial]) -> str:
    """The figures in Markdown."""
    lines = [
        f"| photograph | latents of | {OWN} | {FORCED} | {MOVED} | {BACK} |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for trial in found:
        figures = " | ".join(f"{trial.psnr(way):.1f} dB" for way in (OWN, FORCED, MOVED, BACK))
        lines.append(f"| {trial.name} | {trial.spaces[0]} | {figures} |")
    return "\n".join(lines) + "\n"


def sheet(found: Sequence[Trial]) -> PillowImage:
    """Trials in rows: the photograph, and three decoded pictures with their PSNR against it."""
    columns = (
        "photograph",
        "its latents, decoded by their own decoder",
        "forced: the other model's decoder",
        "transferred: decoded, then encoded by the other model",
    )
    rows = []
    for trial in found:
        own, other = trial.spaces
        pictures = [(trial.photograph, "")]
        pictures += [(trial.pictures[way], f"{trial.psnr(way):.1f} dB") for way in (OWN, FORCED, MOVED)]
        cells = tuple(GridCell(picture=resize(one, SHOWN, SHOWN), note=note) for one, note in pictures)
        rows.append(GridRow(label=f"{trial.name}: latents of {own}; the other model's are {other}", cells=cells))
    return grid(columns, rows, side=SHOWN, label_width=180)


def one_way_each(found: Sequence[Trial]) -> list[Trial]:
    """One trial of each photograph, in turn in one space and in the other."""
    names = [*dict.fromkeys(trial.name for trial in found)]
    spaces = [*dict.fromkeys(trial.spaces[0] for trial in found)]
    return [trial for trial in found if trial.spaces[0] == spaces[names.index(trial.name) % len(spaces)]]


@command(__doc__)
@click.option("--weights", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("-o", "--output", type=OutFile(".jpg", ".jpeg"), help="Write the sheet, a JPEG.")
def main(weights: Path, output: Path | None) -> None:
    """Print the PSNR of decoded photographs against the photographs."""
    from latentlink.bench.sheets.tiny_vaes import SPACES, tiny_vae_bundle

    for name, half in product(SPACES, ("encoder", "decoder")):
        if not (weights / f"{name}_{half}.safetensors").is_file():
            raise UsageError(f"{str(weights)!r} has no {name}_{half}.safetensors; expected both models' files.")
    with TemporaryDirectory() as folder:
        bundles = {space: tiny_vae_bundle(weights, name, Path(folder)) for name, space in SPACES.items()}
        found = [*trials(bundles)]
    if output is not None:
        sheet(one_way_each(found)).save(output, quality=QUALITY, subsampling=0, optimize=True)
    click.echo(table(found), nl=False)


if __name__ == "__main__":
    run_command(main)
