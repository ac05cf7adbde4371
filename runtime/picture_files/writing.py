"""Writing picture files: names, quality, and how each picture was made."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlink.files import atomic_file
from latentlink.runtime.picture_files.formats import FORMATS, QUALITY, check_picture, format_of
from latentlink.runtime.picture_files.metadata import arguments_for
from latentlink.runtime.picture_files.parameters import parameters_of
from latentlink.runtime.picture_files.record import Record

if TYPE_CHECKING:
    from PIL.Image import Image


def save_pictures(
    images: Sequence[Image], output: Path, *, records: Sequence[Record] = (), quality: int | None = None
) -> list[Path]:
    """Write pictures, each atomically: OUT.png, or OUT-1.png, OUT-2.png, ... if there are several.

    Of what is too long for the format, a warning says that it is left out; the picture is written all the same.

    Args:
        images: The pictures.
        output: The name, whose ending is that of a format of `FORMATS`.
        records: How each was made; empty for pictures that do not say it.
        quality: 1 to 100, for a format that has one; None is `QUALITY`.

    Returns:
        The files, in the order of the pictures.

    Raises:
        UsageError: The name or the quality does not fit, or the format has no pictures of this size.
        OSError: A file cannot be written.
    """
    sides = [side for image in images for side in image.size]
    check_picture(output, *sides, quality=quality)
    kind = format_of(output)
    shared: dict[str, Any] = {}
    if FORMATS[kind].quality:
        shared["quality"] = QUALITY if quality is None else quality
    if FORMATS[kind].subsampling is not None:
        shared["subsampling"] = FORMATS[kind].subsampling
    many = len(images) > 1
    names = [output.with_stem(f"{output.stem}-{number}") if many else output for number in range(1, len(images) + 1)]
    for number, (name, image) in enumerate(zip(names, images, strict=True)):
        arguments: dict[str, Any] = {}
        left_out: list[str] = []
        if records:
            record = records[number]
            arguments, left_out = arguments_for(kind, record=record.to_text(), text=parameters_of(record).to_text())
        with atomic_file(name) as part, part.open("wb") as file:
            image.save(file, format=kind, **shared, **arguments)
        for sentence in left_out:
            warnings.warn(f"{str(name)!r}: {sentence}", stacklevel=3)
    return names
