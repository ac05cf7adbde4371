"""Checking from pixels alone whether a picture shows its caption.

The border gives the background. What differs from it is the shape, and the middle of the shape gives its
colour, away from any contour. The share of its bounding box that a shape fills gives the kind of shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentlink.demo.grammar import COLOURS, Scene

FAR = 70.0
"""Distance in 8-bit sRGB from which a colour matches no word, and from which a pixel is not background."""

LEAST_AREA = 0.02
"""Minimum share of the picture that a shape, and its colour within it, has to cover."""

BORDER, MIDDLE = 1 / 20, 1 / 21
"""Width of the border and radius of the shape's middle, relative to the picture's side."""

FILLED: Mapping[str, float] = {"star": 0.38, "triangle": 0.5, "circle": 0.785, "square": 1.0}
"""Share of its bounding box that a shape fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCheck:
    """What a picture shows, and whether it is right.

    Args:
        scene: Scene of the caption.
        colour: Colour word of the shape; empty if there is no shape, or it has no colour of the palette.
        background: Colour word of the background; empty if the border has no colour of the palette.
        shape: Shape word; empty if there is no shape.
    """

    scene: Scene
    colour: str
    background: str
    shape: str

    @property
    def right(self) -> bool:
        """Whether both colours are the caption's."""
        return self.colour == self.scene.colour and self.background == self.scene.background

    @property
    def right_shape(self) -> bool:
        """Whether the shape is the caption's."""
        return self.shape == self.scene.shape


def check(picture: NDArray[np.uint8], scene: Scene) -> PictureCheck:
    """Check a picture.

    Args:
        picture: uint8 sRGB `[H, W, 3]`.
        scene: Scene of the caption.

    Raises:
        ValueError: `picture` is not uint8 `[H, W, 3]`.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"Expected a uint8 picture [H, W, 3], received {picture.dtype} {list(picture.shape)}.")
    pixels = picture.astype(np.float64)
    ground = _border(pixels)
    background = nearest_colour(ground)
    other = np.linalg.norm(pixels - ground, axis=2) > FAR
    if other.mean() < LEAST_AREA:
        return PictureCheck(scene=scene, colour="", background=background, shape="")
    colour = nearest_colour(_middle(pixels, other))
    of_colour = np.linalg.norm(pixels - np.array(COLOURS.get(colour, (-999,) * 3)), axis=2) < FAR
    if (of_colour & other).mean() < LEAST_AREA:
        colour = ""
    return PictureCheck(scene=scene, colour=colour, background=background, shape=_shape(other))


def nearest_colour(colour: NDArray[np.float64]) -> str:
    """The palette's word for an sRGB colour `[3]`, or the empty string if none is near."""
    distances = {word: float(np.linalg.norm(colour - np.array(rgb))) for word, rgb in COLOURS.items()}
    word = min(distances, key=lambda key: distances[key])
    return word if distances[word] < FAR else ""


def _border(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median colour `[3]` of the picture's border."""
    width = max(1, round(pixels.shape[0] * BORDER))
    inside = np.zeros(pixels.shape[:2], dtype=bool)
    inside[width:-width, width:-width] = True
    median: NDArray[np.float64] = np.median(pixels[~inside], axis=0)
    return median


def _middle(pixels: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median colour `[3]` of a small disc around the centre of mass of `mask` `[H, W]`."""
    rows, columns = np.nonzero(mask)
    down, across = np.ogrid[: mask.shape[0], : mask.shape[1]]
    disc = np.hypot(down - rows.mean(), across - columns.mean()) <= mask.shape[0] * MIDDLE
    median: NDArray[np.float64] = np.median(pixels[disc], axis=0)
    return median


def _shape(mask: NDArray[np.bool_]) -> str:
    """The shape word for `mask` `[H, W]`, by the share of its bounding box that it fills."""
    box = mask[np.ix_(mask.any(axis=1), mask.any(axis=0))]
    share = float(box.mean())
    return min(FILLED, key=lambda word: abs(FILLED[word] - share))
