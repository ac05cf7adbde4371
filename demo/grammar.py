"""The language of the demo models: every caption they know, and which ones are held out of training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (46, 160, 67),
    "blue": (38, 84, 214),
    "yellow": (246, 211, 45),
    "purple": (132, 52, 178),
    "orange": (245, 130, 32),
    "white": (244, 244, 240),
    "black": (28, 28, 34),
}
"""8-bit sRGB values by colour word."""

SHAPES = ("circle", "square", "triangle", "star")

SIZES: Mapping[str, float] = {"small": 0.23, "": 0.32, "large": 0.42}
"""Radius relative to the picture's side, by size word; no word means the middle size."""

EXAMPLE = "a red circle on a blue background"

HELD_OUT = 8
"""One caption in this number is held out of training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The scene of a caption.

    Args:
        size: A key of `SIZES`.
        colour: Colour of the shape, a key of `COLOURS`.
        shape: One of `SHAPES`.
        background: Colour of the background, a key of `COLOURS` other than `colour`.
    """

    size: str
    colour: str
    shape: str
    background: str

    @property
    def caption(self) -> str:
        """`a large red circle on a blue background`."""
        words = [self.size, self.colour, self.shape]
        article = "an" if next(word for word in words if word)[0] in "aeiou" else "a"
        other = "an" if self.background[0] in "aeiou" else "a"
        return f"{article} {' '.join(word for word in words if word)} on {other} {self.background} background"

    @property
    def held_out(self) -> bool:
        """Whether training never sees this caption; decided by its hash, so it never changes."""
        if self.caption == EXAMPLE:
            return True
        return hashlib.sha256(self.caption.encode()).digest()[0] % HELD_OUT == 0


def scenes() -> Iterator[Scene]:
    """Every scene of the grammar, 672 in all, in a fixed order."""
    for size, colour, shape, background in product(SIZES, COLOURS, SHAPES, COLOURS):
        if colour != background:
            yield Scene(size=size, colour=colour, shape=shape, background=background)


def held_out() -> tuple[Scene, ...]:
    """The scenes that training never sees, 88 in all: first the one of the examples, the rest by hash."""
    return tuple(sorted((scene for scene in scenes() if scene.held_out), key=_order))


def words() -> tuple[str, ...]:
    """Every word of the grammar, sorted."""
    return tuple(sorted({word for scene in scenes() for word in scene.caption.split()}))


def _order(scene: Scene) -> tuple[bool, bytes]:
    return scene.caption != EXAMPLE, hashlib.sha256(b"order " + scene.caption.encode()).digest()


def parse(caption: str) -> Scene:
    """The scene of a caption.

    Raises:
        ValueError: The caption is not in the grammar.
    """
    for scene in scenes():
        if scene.caption == caption:
            return scene
    raise ValueError(f"{caption!r} is not a caption of the demo grammar, such as {EXAMPLE!r}.")
