"""One generation as plain data, for both systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, Unpack

import numpy as np
from PIL import Image

from latentlink.errors import UsageError
from latentlink.options import OPTIONS, GenerateOptions, requested

Kind: TypeAlias = Literal["text2img", "img2img", "inpaint"]


PROMPTS = ("a red circle on a blue background",)


@dataclass(frozen=True, slots=True, init=False)
class Case:
    """One generation. `case["steps"]` is the value of an option, or its default in the table.

    Args:
        kind: Start from noise, from a picture, or from a picture and a mask.
        prompts: Prompts of one batch.
        options: See `GenerateOptions`; both systems are given the same.

    Raises:
        UsageError: The start and the options do not go together.
        TypeError: There is no such option.
    """

    kind: Kind
    prompts: tuple[str, ...]
    options: Mapping[str, Any] = field(hash=False)

    def __init__(
        self, *, kind: Kind = "text2img", prompts: tuple[str, ...] = PROMPTS, **options: Unpack[GenerateOptions]
    ) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "prompts", prompts)
        object.__setattr__(self, "options", requested(options, function="Case"))
        given = {"strength", "denoising_start"} & {*self.options}
        if kind == "text2img" and given:
            raise UsageError("Received a strength or a denoising_start with a start from noise; expected neither.")
        if kind != "text2img" and len(given) != 1:
            raise UsageError("A start from a picture or from latents takes either a strength or a denoising_start.")

    def __getitem__(self, name: str) -> Any:
        return self.options.get(name, OPTIONS[name].default)

    def changed(self, **changes: Any) -> Case:
        """The same case with another kind, other prompts or other options; None takes an option out."""
        return Case(**{"kind": self.kind, "prompts": self.prompts, **self.options, **changes})


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
