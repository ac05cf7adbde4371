"""Pictures and masks as the engines read them: sized, 8-bit, and masks as zeros and ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


def as_list(images: Image | Sequence[Image]) -> list[Image]:
    """One picture or several, as a list.

    Raises:
        UsageError: There is none, or something else is among them.
    """
    from PIL import Image as Images

    listed = [images] if isinstance(images, Images.Image) else list(images)
    if not listed or not all(isinstance(image, Images.Image) for image in listed):
        found = type(listed[0]).__name__ if listed else "none"
        raise UsageError(f"Received {found} for a picture; expected PIL.Image.Image, or several of them.")
    return listed


def pixels(images: Sequence[Image], width: int, height: int) -> NDArray[np.uint8]:
    """uint8 RGB `[B, height, width, 3]`; other sizes are resampled with Lanczos' filter, as diffusers does."""
    return np.stack([np.asarray(_sized(image.convert("RGB"), width, height)) for image in images])


def mask_pixels(masks: Sequence[Image], width: int, height: int) -> NDArray[np.float32]:
    """float32 `[B, 1, height, width]`: 1 where a mask is at least half white, 0 elsewhere."""
    grey = np.stack([np.asarray(_sized(mask.convert("L"), width, height)) for mask in masks])
    return (grey >= 128).astype(np.float32)[:, None]


def _sized(image: Image, width: int, height: int) -> Image:
    from PIL.Image import Resampling

    return image if image.size == (width, height) else image.resize((width, height), Resampling.LANCZOS)
