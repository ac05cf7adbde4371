"""What a run starts from, and the picture size that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.options import MAX_SIDE
from latentlink.runtime.request.checks import whole
from latentlink.runtime.samplers.solvers.table import Level

if TYPE_CHECKING:
    from PIL.Image import Image

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a run starts from.

    Args:
        images: Pictures: one, one a prompt, or one of each picture of the batch.
        masks: White where to paint; one, or one for each of `images`.
        latents: z `[B, C, h, w]`, float32: clean ones, or half-way ones where the request has a `denoising_start`.
        level: Of `latents`; None where it is unknown.
    """

    images: list[Image] = field(default_factory=list)
    masks: list[Image] = field(default_factory=list)
    latents: Float32 | None = None
    level: Level | None = None


def size_of(
    inputs: Inputs, width: int | None, height: int | None, *, multiple: int, downscale: int
) -> tuple[int | None, int | None]:
    """Width and height: each as asked, else that of what was inputs: of a picture, as much as the model can take.

    Args:
        inputs: What the run starts from.
        width: Requested, in pixels, or None.
        height: Likewise.
        multiple: What the model's sides are multiples of.
        downscale: Pixels per latent element.

    Returns:
        None where nothing was asked or inputs.

    Raises:
        UsageError: The latents have another size than requested, or one that the model does not have.
    """
    if inputs.latents is not None:
        return _of_latents(inputs.latents, width, height, multiple, downscale)
    if inputs.images:
        own_width, own_height = (max(side // multiple, 1) * multiple for side in inputs.images[0].size)
        return own_width if width is None else width, own_height if height is None else height
    return width, height


def _of_latents(
    latents: NDArray[np.float32], width: int | None, height: int | None, multiple: int, downscale: int
) -> tuple[int, int]:
    own_height, own_width = (side * downscale for side in latents.shape[2:])
    size = f"{own_width}x{own_height}"
    for name, requested, own in (("width", width, own_width), ("height", height, own_height)):
        if requested is not None and whole(name, requested, 1, MAX_SIDE) != own:
            raise UsageError(
                f"{name} is {requested}, but the latents to start from are of a picture of {size}.",
                remedy=f"Leave {name} out: latents are not resampled.",
            )
        if own % multiple or own > MAX_SIDE:
            raise UsageError(
                f"The latents to start from are of a picture of {size}; expected sides of at most {MAX_SIDE} in "
                f"multiples of {multiple}, which this model needs."
            )
    return own_width, own_height
