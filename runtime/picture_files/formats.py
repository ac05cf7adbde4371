"""The formats of picture files: which are read and written, what each holds, and the names that they go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from latentlink.checks import whole
from latentlink.errors import UsageError
from latentlink.files import is_stream

MOST_TEXT = 1 << 20
"""Most bytes of one text that a file carries, written or read: the size at which Pillow stops unpacking them."""

MOST_EXIF, MOST_XMP = 65_533, 65_504
"""Bytes of EXIF and of XMP in a JPEG file: a segment holds 65,533, of which XMP's name takes 29."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What a format holds beside the picture.

    Args:
        record: Where the JSON record stands: the chunk `latentlink`, XMP, or TIFF's tag of XMP; None for nowhere.
        text: Where the text `parameters` stands: the chunk `parameters`, or EXIF; None for nowhere.
        most_record: Most bytes of the JSON record.
        most_text: Most bytes of the text.
        largest: Largest side of a picture in pixels, where the format has a smaller one than we have.
        quality: Whether it has a quality.
        subsampling: At what resolution its colours are kept, where that can be chosen.
    """

    record: Literal["latentlink", "xmp", "tag"] | None = None
    text: Literal["parameters", "exif"] | None = None
    most_record: int = MOST_TEXT
    most_text: int = MOST_TEXT
    largest: int | None = None
    quality: bool = False
    subsampling: str | None = None


_JPEG = Format(record="xmp", text="exif", most_record=MOST_XMP, most_text=MOST_EXIF, quality=True, subsampling="4:4:4")

FORMATS: Mapping[str, Format] = {
    "PNG": Format(record="latentlink", text="parameters"),
    "JPEG": _JPEG,
    "MPO": _JPEG,
    "WEBP": Format(record="xmp", text="exif", quality=True, largest=16_383),  # RFC 9649
    "AVIF": Format(record="xmp", text="exif", quality=True, subsampling="4:4:4"),
    "GIF": Format(),
    "BMP": Format(),
    "TIFF": Format(record="tag"),
    "PPM": Format(),
}
"""By Pillow's name. Pillow reads more, one of them by running another program (EPS)."""

QUALITY = 95
"""Quality of a format that has one, if none is requested: above it JPEG files grow by half or more with no gain that
anyone sees, and Pillow's documentation advises against that. Pillow's own 75 shows around the edges of drawn shapes."""


def known_formats() -> list[str]:
    """Those of `FORMATS` that this Pillow was built with."""
    from PIL import Image

    Image.init()
    return [one for one in FORMATS if one in Image.OPEN]


def format_of(path: Path) -> str:
    """Pillow's name of the format that a file's ending stands for; PNG for a stream without one.

    Raises:
        KeyError: It is the ending of none.
    """
    from PIL import Image

    Image.init()
    ending = path.suffix.lower()
    return "PNG" if ending not in Image.EXTENSION and is_stream(path) else Image.EXTENSION[ending]


def title(kind: str) -> str:
    """A format's name for people."""
    return "WebP" if kind == "WEBP" else kind


def check_picture(output: Path, *sides: int | None, quality: int | None = None) -> None:
    """Check the name of a picture file before the work, not after it.

    Args:
        output: The file.
        sides: Sides of the picture in pixels, as far as they are known.
        quality: The requested quality, 1 to 100; None if none is.

    Raises:
        UsageError: Its ending is none of `FORMATS`, or the format has smaller pictures or no quality, or this Pillow
            lacks it; or the quality is out of range.
    """
    from PIL import Image

    try:
        kind = format_of(output)
        found = FORMATS[kind]
        Image.new("RGB", (8, 8)).save(BytesIO(), format=kind)  # some lack their library
    except Exception:
        raise UsageError(
            f"{str(output)!r} does not end as a format in which Pillow writes pictures of every size; expected .png, "
            ".jpg, .webp, .avif, .gif, .bmp, .tiff or .ppm."
        ) from None
    largest = max(side or 0 for side in (0, *sides))
    if found.largest is not None and largest > found.largest:
        raise UsageError(
            f"A side of {largest} pixels does not fit into a {title(kind)} file; expected at most {found.largest}.",
            remedy="Write .png.",
        )
    if quality is not None:
        whole("quality", quality, 1, 100)
        if not found.quality:
            raise UsageError(
                f"quality is {quality}, but a {title(kind)} file has none.",
                remedy="Leave quality out, or write .jpg, .webp or .avif.",
            )
