"""Pictures and masks as the engines read them: resized, 8-bit, and masks as zeros and ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError

MAX_PIXELS = 1 << 26
"""Most pixels of a picture, 8192x8192: unpacked it takes 4 bytes each, and a copy of it as much again."""

UNREADABLE: Mapping[str, str] = {
    **dict.fromkeys(("I", "F"), "in which any number may be white"),
    **dict.fromkeys(("LAB", "La"), "which Pillow does not convert to grey"),
}
"""Modes that have no 8-bit form, and why."""

if TYPE_CHECKING:
    from PIL.Image import Image


def as_list(images: Image | Sequence[Image]) -> list[Image]:
    """One or several pictures as a list: upright, as their EXIF data say, and 16-bit ones scaled to 8 bits.

    Raises:
        UsageError: There are none, one is not a picture, has more than `MAX_PIXELS`, is damaged, or is of a mode in
            `UNREADABLE`.
    """
    from PIL import Image as Images

    listed: list[Image] = []
    for image in images if isinstance(images, list | tuple) else [images]:
        if not isinstance(image, Images.Image):
            raise UsageError(
                f"Received {type(image).__name__} for a picture; expected PIL.Image.Image, or several of them."
            )
        check_pixels("The picture", image)
        listed.append(_to_eight_bit(_upright(image)))
    if not listed:
        raise UsageError("Received no picture; expected PIL.Image.Image, or several of them.")
    return listed


def check_pixels(title: str, image: Image) -> None:
    """Refuse a picture of more than `MAX_PIXELS`; a file's need not be unpacked for that.

    Raises:
        UsageError: It is larger.
    """
    width, height = image.size
    if not width * height:
        raise UsageError(f"{title} has {width}x{height} pixels; expected at least one.")
    if width * height > MAX_PIXELS:
        raise UsageError(
            f"{title} has {width}x{height} pixels; expected at most {MAX_PIXELS}, such as 8192x8192.",
            remedy="Make it smaller first.",
        )


def pixels(images: Sequence[Image], width: int, height: int) -> NDArray[np.uint8]:
    """Pictures as uint8 RGB `[B, height, width, 3]`; other sizes are resampled with Lanczos' filter.

    Transparency is dropped, which shows the colours under it. diffusers does both in the same way.
    """
    return np.stack([np.asarray(_resize(image.convert("RGB"), width, height)) for image in images])


def mask_pixels(masks: Sequence[Image], width: int, height: int) -> NDArray[np.float32]:
    """Masks as float32 `[B, 1, height, width]`: 1 where a mask's luminance is at least half, 0 elsewhere.

    Transparency is dropped, as in `pixels`.
    """
    grey = np.stack([np.asarray(_resize(mask.convert("L"), width, height)) for mask in masks])
    return (grey >= 128).astype(np.float32)[:, None]


def _upright(image: Image) -> Image:
    """Unpack a picture and turn it as its EXIF data say; one that stands upright is returned as it is.

    Raises:
        UsageError: It is damaged, or of a mode in `UNREADABLE`.
    """
    from PIL import ExifTags, ImageOps

    if image.mode in UNREADABLE:
        raise UsageError(
            f"Received a picture of mode {image.mode!r}, {UNREADABLE[image.mode]}; expected 8 or 16 bits.",
            remedy="Scale it to 0 to 255 and convert it to mode 'L'.",
        )
    try:
        image.load()  # a file is unpacked only now
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image  # it would copy an upright one
    except MemoryError:
        raise
    except Exception as error:  # Pillow's formats raise various errors for a broken file, even SyntaxError
        raise UsageError(f"Received a picture that Pillow does not read ({error}).") from None


def _to_eight_bit(image: Image) -> Image:
    """Scale a 16-bit picture to 8 bits, as Pillow would clip it; others are returned unchanged."""
    from PIL import Image as Images

    if not image.mode.startswith("I;16"):
        return image
    # 65535 / 257 = 255; whole numbers, as float64 would take eight bytes a pixel
    return Images.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))


def _resize(image: Image, width: int, height: int) -> Image:
    """Resample the width first, then the height: left alone, Pillow takes the one or the other first by its version,
    which rounds to other numbers.
    """
    from PIL.Image import Resampling

    for size in ((width, image.height), (width, height)):
        image = image if image.size == size else image.resize(size, Resampling.LANCZOS)
    return image
