"""Pictures and latents from a few numbers, which both runtimes make again: vectors of arrays would be large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Recipe = dict[str, Any]

SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def words(seed: int, count: int) -> NDArray[np.uint32]:
    """Numbers without a pattern: the places from 0, mixed by `lowbias32` of Chris Wellons' hash prospector."""
    mixed: NDArray[np.uint32] = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(16))


def picture(recipe: Recipe) -> NDArray[np.uint8]:
    """uint8 `[H, W, 3]`: base + slope*(y + x) + noise of the amplitude, clipped.

    Args:
        recipe: `seed`, `size` (height, width), and by channel `base`, `slope` and `amplitude`; `grey` draws one number
            for all channels of a pixel; `inside` is a channel and its value in all but the first row and column.
    """
    height, width = recipe["size"]
    drawn = words(recipe["seed"], height * width * (1 if recipe["grey"] else 3)).reshape(height, width, -1) >> 24
    place = np.indices((height, width)).sum(0)[..., None]
    noise = (np.array(recipe["amplitude"]) * drawn.astype(np.int64)) >> 8
    bright = np.array(recipe["base"]) + np.array(recipe["slope"]) * place + noise
    made: NDArray[np.uint8] = bright.clip(0, 255).astype(np.uint8)
    if "inside" in recipe:
        channel, value = recipe["inside"]
        made[1:, 1:, channel] = value
    return made


def latent(recipe: Recipe) -> NDArray[np.floating]:
    """`[C, h, w]`: offset + scale*u by channel, u from -1 to 1.

    Args:
        recipe: `seed`, `shape`, by channel `scale` and `offset`, `dtype`, and `special`, numbers by place.
    """
    shape: Sequence[int] = recipe["shape"]
    uniform = (words(recipe["seed"], math.prod(shape)).reshape(shape) >> 8) / 2**23 - 1
    scale, offset = (np.array(recipe[key], np.float64)[:, None, None] for key in ("scale", "offset"))
    made = (offset + scale * uniform).astype(np.float32)
    for place, name in recipe.get("special", ()):
        made.reshape(-1)[place] = SPECIAL[name]
    return made.astype(recipe["dtype"])
