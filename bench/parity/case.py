"""One generation as plain data, for both systems."""

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
        sampler: Name of the sampler.
        seed: Seed of the noise of the whole batch.
        guidance: Guidance scale; 1 or less means no guidance.
        width: Picture width in pixels.
        height: Picture height in pixels.
        steps: Denoising steps of the whole schedule; `strength` and the two shares below select a part of it.
        num_images: Pictures per prompt.
        prompts: Prompts of one batch.
        negative_prompt: Negative prompt for all prompts, or None.
        kind: Start from noise, from a picture, or from a picture and a mask.
        strength: Strength of a start from a picture, 0 to 1.
        denoising_start: Share of the schedule that is already done for the start latents; None to start from a picture.
        denoising_end: Share of the schedule at which to stop; None for all of it.
        guidance_interval: Noise-to-signal ratios between which guidance is applied; None for everywhere.
        step_cache: The deep layers run on every so many steps; 1 means always.
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
            raise UsageError("Received a strength or a denoising_start with a start from noise; expected neither.")
        if self.kind != "text2img" and (self.strength is None) is (self.denoising_start is None):
            raise UsageError("A start from a picture or from latents takes either a strength or a denoising_start.")


def start_picture(width: int, height: int) -> Image.Image:
    """A start picture, 8-bit RGB: two ramps crossed by asymmetric waves."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    blue = 127.5 + 127.5 * np.sin(x / 5 + y * y / 300)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).round().astype(np.uint8))


def start_mask(width: int, height: int) -> Image.Image:
    """A mask, 8-bit grey: a rectangle off the latent grid, with greys above and below the middle along its edge."""
    mask = np.zeros((height, width), np.uint8)
    left, top = width // 3 - 3, height // 4 + 2
    mask[top - 2 : top + height // 2 + 5, left - 2 : left + width // 2 + 3] = 100
    mask[top : top + height // 2 + 3, left : left + width // 2 + 1] = 160
    mask[top + 1 : top + height // 2 + 2, left + 1 : left + width // 2] = 255
    return Image.fromarray(mask)
