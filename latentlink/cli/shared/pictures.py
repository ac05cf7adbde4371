"""Picture files of the commands: their options, what is said of a file that was written, and the nearest size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.cli.shared.options import Number

if TYPE_CHECKING:
    from PIL.Image import Image

    from latentlink.runtime.picture_files import PictureFile

quality_option = click.option(
    "--quality",
    type=Number(int, 1, 100),
    help="Quality of a JPEG, WebP or AVIF file.  [default: 95]",
)
no_metadata_option = click.option(
    "--no-metadata",
    is_flag=True,
    help="Do not write into the picture how it was made: prompts, seed, settings, model (docs/pictures.md).",
)


def written(save: Callable[[], list[Path]]) -> tuple[list[Path], list[str]]:
    """Write pictures.

    Args:
        save: Writes them, and warns of what it leaves out.

    Returns:
        The files, and the warnings.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        files = save()
    return files, [str(one.message) for one in caught]


def read_quietly(path: Path) -> PictureFile:
    """How a picture was made, without Pillow's warnings of files that other programs damaged.

    Raises:
        UsageError: As from `read_picture_file`.
    """
    from latentlink.runtime.picture_files import read_picture_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_picture_file(path)


def nearest_size(picture: Image, multiple: int) -> Image:
    """The picture resampled to the nearest size whose sides are multiples, with Lanczos' filter; unchanged if they are.

    Args:
        picture: Any picture.
        multiple: Number of pixels that sides have to be multiples of.
    """
    from PIL.Image import Resampling

    width, height = (max(round(side / multiple), 1) * multiple for side in picture.size)
    return picture if picture.size == (width, height) else picture.resize((width, height), Resampling.LANCZOS)
