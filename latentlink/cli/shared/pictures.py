"""Picture files: reading, checking names, and writing."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from latentlink.checks import check_input
from latentlink.errors import UsageError
from latentlink.files import is_stream

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")
"""Formats that are read and written. Pillow reads more, one of them by running another program (EPS)."""

MOST_WEBP = 16_383
"""Largest side of a WebP file in pixels (RFC 9649)."""

MAX_BYTES = 1 << 28
"""Most bytes of a picture's file: Pillow takes whole blocks of metadata into memory."""

if TYPE_CHECKING:
    from PIL.Image import Image


def read_picture(path: Path) -> Image:
    """Read a picture from a file, rotated as its EXIF data say.

    Raises:
        UsageError: There is no such file, it is too large, or Pillow cannot read it.
    """
    from PIL import Image as Images
    from PIL import ImageOps

    from latentlink.runtime.request import check_pixels

    check_input(path, "a picture")
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UsageError(f"{str(path)!r} has {size} bytes; expected a picture of at most {MAX_BYTES}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own limit of pixels, which is above ours, and of damaged EXIF data
            with Images.open(path, formats=[one for one in FORMATS if one in _known()]) as image:
                check_pixels(f"{str(path)!r}", image)
                return ImageOps.exif_transpose(image)
    except (MemoryError, UsageError):
        raise
    except Exception as error:  # Pillow's formats raise various errors for a broken file, even SyntaxError
        raise UsageError(f"{str(path)!r} is not a picture that Pillow reads ({error}).") from None


def nearest_size(picture: Image, multiple: int) -> Image:
    """The picture resampled to the nearest size whose sides are multiples, with Lanczos' filter; unchanged if they are.

    Args:
        picture: Any picture.
        multiple: Number of pixels that sides have to be multiples of.
    """
    from PIL.Image import Resampling

    width, height = (max(round(side / multiple), 1) * multiple for side in picture.size)
    return picture if picture.size == (width, height) else picture.resize((width, height), Resampling.LANCZOS)


def _known() -> Collection[str]:
    """The formats that this Pillow was built with."""
    from PIL import Image

    Image.init()
    return Image.OPEN


def check_picture(output: Path, *sides: int | None) -> None:
    """Check the name of a picture file before the work, not after it.

    Args:
        output: The file.
        sides: Sides of the picture in pixels, as far as they are known.

    Raises:
        UsageError: Its ending is none of `FORMATS`, or the format has smaller pictures, or this Pillow lacks it.
    """
    from PIL import Image

    Image.init()
    try:
        if (kind := _format(output)) not in FORMATS:
            raise ValueError
        Image.new("RGB", (8, 8)).save(BytesIO(), format=kind)  # some lack their library
    except Exception:
        raise UsageError(
            f"{str(output)!r} does not end as a format in which Pillow writes pictures of every size; expected .png, "
            ".jpg, .webp, .avif, .gif, .bmp, .tiff or .ppm."
        ) from None
    largest = max(side or 0 for side in (0, *sides))
    if kind == "WEBP" and largest > MOST_WEBP:
        raise UsageError(
            f"A side of {largest} pixels does not fit into a WebP file; expected at most {MOST_WEBP}.",
            remedy="Write .png.",
        )


def save(images: Sequence[Image], output: Path) -> list[Path]:
    """Write pictures atomically: OUT.png, or OUT-1.png, OUT-2.png, ... if there are several."""
    from latentlink.files import atomic_file

    many = len(images) > 1
    names = [output.with_stem(f"{output.stem}-{number}") if many else output for number in range(1, len(images) + 1)]
    for name, image in zip(names, images, strict=True):
        with atomic_file(name) as part, part.open("wb") as file:
            image.save(file, format=_format(name))
    return names


def _format(path: Path) -> str:
    """Pillow's name of the format that a file's ending stands for; PNG for a stream without one."""
    from PIL import Image

    ending = path.suffix.lower()
    return "PNG" if ending not in Image.EXTENSION and is_stream(path) else Image.EXTENSION[ending]
