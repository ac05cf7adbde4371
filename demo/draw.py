"""Drawing scenes in two styles: flat, and outlined with light from above."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentlink.demo.grammar import COLOURS, SIZES, Scene

SIDE = 64
OVERSAMPLING = 4
STYLES = ("flat", "outlined")

CONTOUR: Mapping[str, float] = {"circle": 0.045, "square": 0.045, "triangle": 0.07, "star": 0.07}
"""Contour width by shape, relative to the picture's side, measured towards the corners."""


def draw(scene: Scene, style: str, rng: np.random.Generator, side: int = SIDE) -> Image.Image:
    """Draw a scene; position, size and colours vary a little with `rng`.

    Args:
        scene: Scene to draw.
        style: `flat`, or `outlined`: with a black or white contour and a background that is lighter at the top.
        rng: Source of the variation.
        side: Side of the picture in pixels.
    """
    full = side * OVERSAMPLING
    background = _background(scene.background, style, rng, full)
    picture = Image.fromarray(background)
    radius = SIZES[scene.size] * full * rng.uniform(0.92, 1.08)
    room = full / 2 - radius
    x = full / 2 + rng.uniform(-0.6, 0.6) * room
    y = full / 2 + rng.uniform(-0.6, 0.6) * room
    outline = _contour(scene) if style == "outlined" else None
    points = _points(scene.shape, x, y, radius)
    pen = ImageDraw.Draw(picture)
    fill = _with_jitter(scene.colour, rng)
    if outline is not None:
        pen.polygon(points, fill=outline)
        points = _points(scene.shape, x, y, radius - full * CONTOUR[scene.shape])
    pen.polygon(points, fill=fill)
    return picture.resize((side, side), Image.Resampling.BOX)


def _with_jitter(colour: str, rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (round(float(np.clip(c + rng.uniform(-6, 6), 0, 255))) for c in COLOURS[colour])
    return red, green, blue


def _background(colour: str, style: str, rng: np.random.Generator, full: int) -> NDArray[np.uint8]:
    base = np.array(_with_jitter(colour, rng), np.float64)
    light = np.linspace(14, -14, full) if style == "outlined" else np.zeros(full)
    rows = np.clip(base + light[:, None], 0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None, :], (full, full, 3)))


def _contour(scene: Scene) -> tuple[int, int, int]:
    """White or black, whichever is the colour of neither shape nor background; else grey."""
    taken = {scene.colour, scene.background}
    for name in ("white", "black"):
        if name not in taken:
            return COLOURS[name]
    return (128, 128, 128)


def _points(shape: str, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """Corners of a shape around (x, y) in pixels."""
    if shape == "circle":
        return [_polar(x, y, radius, 2 * math.pi * n / 96) for n in range(96)]
    if shape == "square":
        half = radius * 0.86
        return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
    if shape == "triangle":
        return [_polar(x, y + radius * 0.2, radius * 1.08, math.pi * (2 * n / 3 - 0.5)) for n in range(3)]
    corners = ((radius * 1.08) if n % 2 == 0 else radius * 0.48 for n in range(10))
    return [_polar(x, y, r, math.pi * (n / 5 - 0.5)) for n, r in enumerate(corners)]


def _polar(x: float, y: float, radius: float, angle: float) -> tuple[float, float]:
    return x + radius * math.cos(angle), y + radius * math.sin(angle)


def patchwork(rng: np.random.Generator, count: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Pictures without a scene: random colours on 1 to `side` cells along each side, half of them blended.

    They range from plain colours, ramps and bars to noise, for training on pictures outside the grammar.

    Args:
        rng: Random generator.
        count: Number of pictures.
        side: Picture side in pixels, a power of two.

    Returns:
        uint8 sRGB `[count, side, side, 3]`.
    """
    finest = side.bit_length()
    made = []
    for number in range(count):
        rows, columns = (2 ** int(rng.integers(finest)) for _ in range(2))
        cells = Image.fromarray(rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8))
        how = Image.Resampling.BICUBIC if number % 2 else Image.Resampling.NEAREST
        made.append(np.asarray(cells.resize((side, side), how)))
    return np.stack(made)


def batch(scenes: list[Scene], style: str, rng: np.random.Generator, side: int = SIDE) -> NDArray[np.uint8]:
    """Pictures of scenes, uint8 `[B, side, side, 3]`."""
    return np.stack([np.asarray(draw(scene, style, rng, side)) for scene in scenes])
