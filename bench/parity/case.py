"""One generation, as plain data that both systems can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from latentlink.errors import UsageError

Kind: TypeAlias = Literal["text2img", "img2img", "inpaint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One generation.

    Args:
        sampler: Name of a sampler.
        seed: Of the noise of the whole batch.
        guidance: Scale; 1 or less is no guidance.
        width: In pixels.
        height: In pixels.
        steps: Denoising steps, of which `strength` and the two shares below leave a part.
        num_images: Pictures a prompt.
        prompts: One batch.
        negative_prompt: For all prompts, or None.
        kind: What it starts from: noise, a picture, or a picture and a mask.
        strength: Of a start from a picture, 0 to 1.
        denoising_start: Share of the way that the latents to start from have come, or None to start from a picture.
        denoising_end: Share of the way to stop at, or None for all of it.
        guidance_interval: Ratios of noise to signal between which it is applied, or None for everywhere.
        step_cache: What the deep layers make is made on every so many steps; 1 is always.
    """

    sampler: str
    seed: int
    guidance: float
    width: int
    height: int
    steps: int
    num_images: int = 1
    prompts: tuple[str, ...] = ("a red circle on a blue background",)
    negative_prompt: str | None = None
    kind: Kind = "text2img"
    strength: float | None = None
    denoising_start: float | None = None
    denoising_end: float | None = None
    guidance_interval: tuple[float, float] | None = None
    step_cache: int = 1

    def __post_init__(self) -> None:
        if self.kind == "text2img" and not (self.strength is None and self.denoising_start is None):
            raise UsageError("A start from noise was given a strength or a denoising_start; expected neither.")
        if self.kind != "text2img" and (self.strength is None) is (self.denoising_start is None):
            raise UsageError("A start from a picture or from latents takes either a strength or a denoising_start.")


def start_picture(width: int, height: int) -> Image.Image:
    """A picture to start from, 8-bit RGB: two ramps, crossed by waves that are not symmetric in any way."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    blue = 127.5 + 127.5 * np.sin(x / 5 + y * y / 300)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).round().astype(np.uint8))


def start_mask(width: int, height: int) -> Image.Image:
    """A mask, 8-bit grey: a rectangle off the grid of latents, with greys to both sides of the middle along its rim."""
    mask = np.zeros((height, width), np.uint8)
    left, top = width // 3 - 3, height // 4 + 2
    mask[top - 2 : top + height // 2 + 5, left - 2 : left + width // 2 + 3] = 100
    mask[top : top + height // 2 + 3, left : left + width // 2 + 1] = 160
    mask[top + 1 : top + height // 2 + 2, left + 1 : left + width // 2] = 255
    return Image.fromarray(mask)
