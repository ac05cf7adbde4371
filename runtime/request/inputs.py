"""What a run starts from, and the picture size that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from latentlink.checks import whole
from latentlink.engine.bundle.sampling import MAX_PIXELS
from latentlink.errors import UsageError
from latentlink.options import MAX_SIDE
from latentlink.runtime.samplers.noise import Float32
from latentlink.runtime.samplers.solvers.table import Level

if TYPE_CHECKING:
    from PIL.Image import Image

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a run starts from.

    Args:
        images: Pictures: one, one per prompt, or one per picture of the batch.
        masks: Masks, white where to paint: one, or one for each of `images`.
        latents: z `[B, C, h, w]`, float32: clean, or half-way if the request has a `denoising_start`.
        level: Noise level of `latents`; None if it is unknown.
    """

    images: list[Image] = field(default_factory=list)
    masks: list[Image] = field(default_factory=list)
    latents: Float32 | None = None
    level: Level | None = None

    def of(self, number: int, count: int) -> Inputs:
        """Those of one picture.

        Args:
            number: The picture, from 0.
            count: Number of pictures.
        """

        def own(listed: Sequence[_T]) -> list[_T]:
            return [listed[number * len(listed) // count]] if listed else []

        picture = number * len(self.latents) // count if self.latents is not None else 0
        return Inputs(
            images=own(self.images),
            masks=own(self.masks),
            latents=None if self.latents is None else self.latents[picture : picture + 1],
            level=self.level,
        )


def size_of(
    inputs: Inputs, width: int | None, height: int | None, *, multiple: int, downscale: int
) -> tuple[int | None, int | None]:
    """Picture width and height: the requested ones, else the size of the inputs.

    A picture's sides are rounded down to multiples that the model accepts. A size that nobody asked for is bounded as
    a bundle's default size is: a photograph of 50 megapixels would take the machine's memory.

    Args:
        inputs: What the run starts from.
        width: Requested width in pixels, or None.
        height: Requested height in pixels, or None.
        multiple: Number that the model's sides are multiples of.
        downscale: Pixels per latent element.

    Returns:
        Width and height in pixels; None for a side that was not requested, if there are no inputs.

    Raises:
        UsageError: The latents have another size than requested, or one that the model does not accept; or the inputs
            are larger than `MAX_PIXELS`, and no size was requested.
    """
    if inputs.latents is not None:
        own = _of_latents(inputs.latents, width, height, multiple, downscale)
    elif inputs.images:
        own_width, own_height = (max(side // multiple, 1) * multiple for side in inputs.images[0].size)
        own = own_width if width is None else width, own_height if height is None else height
    else:
        return width, height
    if None in (width, height) and all(type(side) is int for side in own) and own[0] * own[1] > MAX_PIXELS:
        raise UsageError(
            f"The run would have the size of what it starts from, {own[0]}x{own[1]}; expected at most {MAX_PIXELS} "
            "pixels, such as 2048x2048, where no size is requested.",
            remedy="Name the width and the height.",
        )
    return own


def _of_latents(
    latents: Float32, width: int | None, height: int | None, multiple: int, downscale: int
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
