"""Golden pictures: hard cases for a VAE, drawn by formulas at any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
FloatArray = NDArray[np.float64]


def edges(y: FloatArray, x: FloatArray) -> FloatArray:
    """Straight, slanted and curved edges between strong colours."""
    picture = np.full((*x.shape, 3), (0.16, 0.30, 0.80))
    picture[y > 0.62] = (0.95, 0.93, 0.88)
    picture[x + 0.8 * y < 0.55] = (0.88, 0.72, 0.15)
    picture[(x - 0.62) ** 2 + (y - 0.45) ** 2 < 0.06] = (0.83, 0.15, 0.16)
    picture[(np.abs(x - 0.3) < 0.035) & (y > 0.3)] = (0.08, 0.08, 0.10)
    return picture


def gradients(y: FloatArray, x: FloatArray) -> FloatArray:
    """Red across, green down, blue around the middle."""
    return np.stack([x, y, np.clip(1.2 - 1.6 * np.hypot(x - 0.5, y - 0.5), 0, 1)], axis=-1)


def bars(y: FloatArray, x: FloatArray) -> FloatArray:
    """The eight colour bars of a test card over a ramp of grey."""
    colours = np.array([[b >> 1 & 1, b >> 2 & 1, b & 1] for b in (7, 6, 5, 4, 3, 2, 1, 0)], np.float64) * 0.8 + 0.1
    picture: FloatArray = colours[np.minimum((x * 8).astype(int), 7)]
    ramp = y > 0.7
    picture[ramp] = x[ramp][:, None]
    return picture


def texture(y: FloatArray, x: FloatArray) -> FloatArray:
    """Fine texture: a grating that gets finer, a chequerboard of pixels, and noise."""
    height, width = x.shape
    grating = 0.5 + 0.4 * np.sin(2 * np.pi * (3 + 14 * x) * x)
    rows, columns = np.indices(x.shape)
    picture = np.repeat(np.where(y < 0.4, grating, 0.35 + 0.3 * ((rows + columns) % 2))[..., None], 3, axis=-1)
    noise = np.random.Generator(np.random.PCG64(2026)).random((height, width, 3))
    picture[y > 0.7] = 0.25 + 0.5 * noise[y > 0.7]
    return picture


PATTERNS: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "edges": edges,
    "gradients": gradients,
    "bars": bars,
    "texture": texture,
}
"""By name: from the relative rows and columns of pixel centres, 0 to 1 `[H, W]`, to RGB in 0..1."""


def draw_pattern(pattern: str, height: int, width: int) -> Picture:
    """A golden picture, uint8 RGB `[H, W, 3]`."""
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    return np.round(PATTERNS[pattern](y, x) * 255).astype(np.uint8)
