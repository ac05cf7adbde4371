"""Moving latents between latent spaces in the only way there is: decode, then encode again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import instance, truth, whole
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError, UsageError
from latentlink.options import MAX_SIDE, OnOff
from latentlink.runtime.pipeline import Pipeline
from latentlink.runtime.request import check_limits, nearest, pixels
from latentlink.runtime.request.latents import Latents, check_latents

if TYPE_CHECKING:
    from PIL.Image import Image

Size: TypeAlias = tuple[int, int]
"""Picture width and height in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransferResult:
    """The result of `transfer`, and how it was made.

    Args:
        latents: The latents in the destination's space.
        psnr: Round-trip loss in dB over all pictures: the destination's decode of the result compared with the source's
            decode, resized if the pictures were; infinite if both are equal, or nothing was decoded.
        psnrs: The same for each picture; empty if nothing was decoded.
        decoded_by: Name of the bundle that decoded; None if the latents were handed over unchanged.
        encoded_by: Name of the bundle that encoded; None if the latents were handed over unchanged.
        resized: Picture size before and after, if it changed.
    """

    latents: Latents
    psnr: float = float("inf")
    psnrs: tuple[float, ...] = ()
    decoded_by: str | None = None
    encoded_by: str | None = None
    resized: tuple[Size, Size] | None = None

    @property
    def direct(self) -> bool:
        """Whether the latents were handed over unchanged."""
        return self.decoded_by is None


def transfer(
    latents: Latents,
    *,
    source: Pipeline,
    destination: Pipeline,
    width: int | None = None,
    height: int | None = None,
    fit: bool = False,
    guard: OnOff = "on",
) -> TransferResult:
    """Move latents from one bundle's space to another's.

    If the space is the same and the size stays, they are handed over unchanged, and nothing is decoded.

    Args:
        latents: Latents of the source's space.
        source: Pipeline that decodes them.
        destination: Pipeline that encodes the pictures (to the posterior's mode).
        width: Width in pixels of the pictures to encode; they are resampled with Lanczos' filter. None keeps the width,
            or the proportions if a height is given.
        height: Height in pixels of the pictures to encode; None as for the width.
        fit: Use the nearest size that the destination's engines accept, if they do not accept this one.
        guard: As in `Pipeline.generate`, for everything that is decoded and encoded.

    Raises:
        GuardError: A picture is flat or noise, or latents are outside of their model's range.
        LinkError: `latents` are not of the source's space.
        UsageError: They are half way and the spaces differ, the destination has no VAE encoder, or it does not accept
            pictures of this size.
    """
    for name, value in (("source", source), ("destination", destination)):
        instance(name, value, Pipeline, "latentlink.load returns one.")
    fit = truth("fit", fit)
    if isinstance(latents, Latents) and latents.space != source.space:
        raise _wrong_space(latents, source, destination)
    check_latents(latents, source.space, source.name)
    own = latents.array.shape[3] * source.space.downscale, latents.array.shape[2] * source.space.downscale
    size = _size(own, width, height, fit, destination)
    if source.space == destination.space and size == own:
        return TransferResult(latents=latents)
    if latents.half_way:
        raise UsageError(
            f"The latents are half way, and what {source.name} decodes from them is noise; expected finished ones.",
            remedy="Finish them in their own space: generate with init_latents and denoising_start.",
        )
    before = pixels(source.decode(latents, guard=guard), *size)
    encoded = destination.encode(_pictures(before), guard=guard)
    after = pixels(destination.decode(encoded, guard=guard), *size)
    return TransferResult(
        latents=encoded,
        psnr=psnr(before, after),
        psnrs=tuple(psnr(*pair) for pair in zip(before, after, strict=True)),
        decoded_by=source.name,
        encoded_by=destination.name,
        resized=None if size == own else (own, size),
    )


def _wrong_space(latents: Latents, source: Pipeline, destination: Pipeline) -> LinkError:
    whose = "these latents are" if latents.file is None else f"{latents.file} is"
    if latents.space == destination.space:
        remedy = f"{destination.name} reads them as they are: there is nothing to transfer."
    else:
        remedy = f'Take a bundle of space "{latents.space.name}" as the source.'
    return LinkError(
        f'{source.name} decodes latent space "{source.space.name}" ({source.space.numbers()}), but {whose} of '
        f'"{latents.space.name}" ({latents.space.numbers()}).',
        remedy=remedy,
    )


def _size(own: Size, width: int | None, height: int | None, fit: bool, destination: Pipeline) -> Size:
    """The picture size to encode: the requested one, or the nearest to it that the destination accepts."""
    multiple, downscale = destination.sampling.size_multiple, destination.space.downscale
    size = _requested_size(own, width, height)
    if fit:
        near = [
            nearest(destination.whole_engines, dims, side, multiple=multiple, downscale=downscale)
            for dims, side in zip((("W", "w"), ("H", "h")), size, strict=True)
        ]
        size = near[0] or size[0], near[1] or size[1]
    if any(side % multiple for side in size):
        raise UsageError(
            f"{destination.name} takes pictures with sides in multiples of {multiple}, and this one is "
            f"{size[0]}x{size[1]}.",
            remedy="Resize it on the way: fit=True takes the nearest size; width and height say one.",
        )
    check_limits(destination.whole_engines, width=size[0], height=size[1], batch=None, downscale=downscale)
    return size


def _requested_size(own: Size, width: int | None, height: int | None) -> Size:
    """The requested size; a side that is None follows from the other by the proportions."""
    if width is not None:
        width = whole("width", width, 1, MAX_SIDE)
    if height is not None:
        height = whole("height", height, 1, MAX_SIDE)
    if width is None and height is None:
        return own
    if height is None:
        return width, max(round(own[1] * width / own[0]), 1)  # type: ignore[operator, return-value]
    return max(round(own[0] * height / own[1]), 1) if width is None else width, height


def _pictures(array: NDArray[np.uint8]) -> list[Image]:
    from PIL import Image as Images

    return [Images.fromarray(picture) for picture in array]
