"""Writing picture files: names, quality, and how each picture was made."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

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
    many = len(images) > 1
    names = [output.with_stem(f"{output.stem}-{number}") if many else output for number in range(1, len(images) + 1)]
    for number, (name, image) in enumerate(zip(names, images, strict=True)):
        with atomic_file(name) as part, part.open("wb") as file:
            left_out = _write(image, file, format_of(output), records[number] if records else None, quality)
        for sentence in left_out:
            warnings.warn(f"{str(name)!r}: {sentence}", stacklevel=3)
    return names


def picture_bytes(image: Image, format: str, *, record: Record | None = None, quality: int | None = None) -> bytes:
    """The bytes of a picture's file.

    Args:
        image: The picture.
        format: `PNG`, `JPEG`, `WebP`, ..., or a file's ending.
        record: How it was made; None if it does not say it.
        quality: 1 to 100, for a format that has one; None is `QUALITY`.

    Raises:
        UsageError: There is no such format, it has no quality, or no pictures of this size.
    """
    name = Path(f"picture.{format.lower().lstrip('.')}")
    check_picture(name, *image.size, quality=quality)
    file = BytesIO()
    for sentence in _write(image, file, format_of(name), record, quality):
        warnings.warn(f"A picture: {sentence}", stacklevel=3)
    return file.getvalue()


def _write(image: Image, file: IO[bytes], kind: str, record: Record | None, quality: int | None) -> list[str]:
    """Write a picture; returns what is left out of how it was made."""
    arguments: dict[str, Any] = {}
    left_out: list[str] = []
    if record is not None:
        arguments, left_out = arguments_for(kind, record=record.to_text(), text=parameters_of(record).to_text())
    if FORMATS[kind].quality:
        arguments["quality"] = QUALITY if quality is None else quality
    if FORMATS[kind].subsampling is not None:
        arguments["subsampling"] = FORMATS[kind].subsampling
    image.save(file, format=kind, **arguments)
    return left_out
