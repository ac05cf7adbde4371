"""The start of a generation: noise, a noised picture, a picture around a mask, or half-way latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.ports import Port
from latentlink.runtime.denoising.run import Around
from latentlink.runtime.request import Inputs, Request, mask_pixels, pixels
from latentlink.runtime.samplers import SamplerTable
from latentlink.runtime.samplers.noise import Float32, Shape
from latentlink.runtime.samplers.solvers.table import CLEAN, Level

LEVEL_TOLERANCE = 1e-4
"""Largest difference between two equal noise levels, relative to the largest of their numbers.

Training schedules are products of 1,000 float32 numbers, whose rounding errors of 6e-8 add up to 6e-5 at most, and two
checkpoints of one schedule may have been rounded differently. Neighbours among 1,000 timesteps differ by 4e-4 or more,
those of flow models with a shift of 6 by 1.6e-4.
"""
_Number = TypeVar("_Number", bound=np.generic)


Encode: TypeAlias = Callable[[NDArray[np.uint8], Float32 | None, Float32], NDArray[np.floating]]
"""`Autoencoder.encode`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """The first x of one or several pictures, and what stays the same for all rows.

    Args:
        x: float32 `[B, C, h, w]`.
        around: For every picture what is kept of it, for a denoiser that blends; None without a mask.
        constant: Inputs by tensor name, `[B, ...]`, for a denoiser that reads masks.
    """

    x: Float32
    around: Sequence[Around | None]
    constant: dict[str, NDArray[np.floating]] = field(default_factory=dict)


def check_inputs(inputs: Inputs, request: Request, *, prompts: int, itself: bool) -> None:
    """Refuse inputs that contradict each other, or do not fit the number of pictures.

    Args:
        inputs: The pictures, masks or latents that the run starts from.
        request: The request of the first picture: what is read of it is the same for all.
        prompts: Number of prompts.
        itself: Whether the denoiser reads the mask and the picture around it itself.

    Raises:
        UsageError: They do.
    """
    if inputs.masks and not inputs.images:
        raise UsageError("Received a mask without the picture that it lies over.", remedy="Give init_image too.")
    if itself and not inputs.masks:
        raise UsageError(
            "This model paints inside a mask: it needs a picture and a mask.", remedy="Give init_image and mask_image."
        )
    if request.strength < 1 and not inputs.images and inputs.latents is None:
        raise UsageError(
            f"strength {request.strength:g} needs something to start from; expected a picture or latents.",
            remedy="Give init_image or init_latents, or leave strength out.",
        )
    if inputs.images and inputs.latents is not None and not (inputs.masks and request.denoising_start is not None):
        raise UsageError(
            "Received a picture and latents to start from; expected one, or both with a mask and denoising_start."
        )
    if request.denoising_start is not None and not inputs.images and inputs.latents is None:
        raise UsageError(
            f"denoising_start {request.denoising_start} needs latents to go on from.", remedy="Give init_latents."
        )
    if inputs.latents is not None and len(inputs.latents) not in (1, request.count):
        raise UsageError(
            f"{len(inputs.latents)} latents to start from for {request.count} pictures; expected one, or one each."
        )
    if len(inputs.masks) not in (0, 1, len(inputs.images)):
        raise UsageError(f"{len(inputs.masks)} masks for {len(inputs.images)} pictures; expected one, or one each.")
    if inputs.images and len(inputs.images) not in (1, prompts, request.count):
        raise UsageError(
            f"{len(inputs.images)} pictures to start from for {request.count} to make; expected one, one a prompt, or "
            "one each."
        )


def begin(
    inputs: Inputs,
    request: Request,
    *,
    table: SamplerTable,
    shape: Shape,
    latent: Port,
    ports: tuple[Port, ...],
    draw: Callable[[Shape], Float32],
    encode: Encode,
) -> Start:
    """Make the start of pictures whose noise is drawn from one seed: one picture, or a batch with one seed.

    Noise is drawn in the same order as by diffusers, so that equal seeds give equal pictures.

    Args:
        inputs: The pictures, masks or latents that these start from.
        request: The request of the first of them.
        table: The sampler's rows, the same for all of them.
        shape: Shape of their latents, `[B, C, h, w]`.
        latent: The denoiser's latent port.
        ports: The denoiser's inputs, which show whether it reads masks.
        draw: Draws noise of a shape from the seed.
        encode: The VAE encoder.

    Raises:
        UsageError: The latents to start from are at another noise level.
    """
    reads, batch = {port.tensor for port in ports}, shape[0]
    itself, blends = latent.at("masked").tensor in reads, latent.at("init").tensor in reads
    _check_level(inputs.level, request, table)
    handed_over = request.denoising_start is not None
    from_noise = request.strength == 1 and not handed_over
    latents = None if inputs.latents is None else spread(inputs.latents, batch)
    picture = latents
    if inputs.images and not (inputs.masks and itself and from_noise):
        picture = _encode_pictures(inputs, request, None, shape, draw, encode)
    noise = draw(shape) if not handed_over or inputs.masks else np.zeros(shape, np.float32)
    signal, level = table.levels[0]
    if picture is None or (inputs.masks and from_noise):
        x = noise * np.float32(table.start_scale)
    elif handed_over:
        x = picture if latents is None else latents
    else:
        x = np.asarray(np.float32(signal) * picture + np.float32(level) * noise)
    nothing: Sequence[Around | None] = [None] * batch
    if not inputs.masks:
        zeros = np.zeros(shape, np.float32)
        return Start(x=x, around=nothing, constant=_around(latent, ports, zeros[:, :1], zeros, zeros) if blends else {})
    mask = mask_pixels(inputs.masks, request.width, request.height)
    small = spread(mask[:, :, :: latent.size("f"), :: latent.size("f")], batch)
    if itself:
        hidden = _encode_pictures(inputs, request, mask, shape, draw, encode)
        port = next(port.tensor for port in ports if port.kind == "mask")
        read = {latent.at("masked").tensor: hidden.astype(latent.dtype), port: small}
        return Start(x=x, around=nothing, constant=read)
    # diffusers also samples the masked picture here, which advances the stream of the later noise
    draw((len(inputs.images), *shape[1:]))
    below = x if picture is None else picture
    return Start(
        x=x,
        around=[Around(mask=m, picture=p, noise=n) for m, p, n in zip(small, below, noise, strict=True)],
        constant=_around(latent, ports, small, below, noise) if blends else {},
    )


def _around(
    latent: Port, ports: tuple[Port, ...], mask: Float32, picture: Float32, noise: Float32
) -> dict[str, NDArray[np.floating]]:
    """Inputs of a denoiser that blends the picture around a mask in: all zeros if there is no mask."""
    port = next(port.tensor for port in ports if port.kind == "mask")
    dtype = np.dtype(latent.dtype)
    return {
        latent.at("init").tensor: picture.astype(dtype),
        latent.at("initnoise").tensor: noise.astype(dtype),
        port: mask,
    }


def _check_level(level: Level | None, request: Request, table: SamplerTable) -> None:
    """Refuse latents that hold another amount of noise than the run removes."""
    start = request.denoising_start
    if level is None:
        return
    if start is None:
        if level != CLEAN:
            raise UsageError(
                f"The latents to start from are half way ({_numbers(level)}); expected finished ones, or a "
                "denoising_start to go on from.",
                remedy="Give denoising_start: the denoising_end of the run that made them.",
            )
        return
    if level == CLEAN:
        raise UsageError(
            f"denoising_start {start:g} goes on from latents that are half way, but these are finished.",
            remedy="Give strength instead, or latents of a run with a denoising_end.",
        )
    begins: Level = (table.levels[0, 0], table.levels[0, 1])
    apart = max(abs(ours - theirs) for ours, theirs in zip(begins, level, strict=True))
    if apart <= LEVEL_TOLERANCE * max(*begins, *level):
        return
    if len({*table.step}) < len(table.step):
        remedy = f"{request.sampler} calls the model twice a step and stops within one: hand over with another sampler."
    else:
        remedy = "Use the same sampler, settings, steps and share as the run that made them."
    raise UsageError(
        f"The latents to go on from hold {_numbers(level)}, but a run of {request.steps} steps of {request.sampler} "
        f"with denoising_start {start:g} begins with {_numbers(begins)}.",
        remedy=remedy,
    )


def _numbers(level: Level) -> str:
    return f"signal {level[0]:.4g}, noise {level[1]:.4g}"


def _encode_pictures(
    inputs: Inputs,
    request: Request,
    mask: Float32 | None,
    shape: Shape,
    draw: Callable[[Shape], Float32],
    encode: Encode,
) -> Float32:
    """z of the pictures to start from `[B, C, h, w]`, sampled from the posterior."""
    picture = pixels(inputs.images, request.width, request.height)
    if mask is not None:
        mask = np.repeat(mask, len(picture) // len(mask), axis=0)
    noise = draw((len(picture), *shape[1:]))
    return spread(encode(picture, mask, noise).astype(np.float32), shape[0])


def spread(array: NDArray[_Number], batch: int) -> NDArray[_Number]:
    """Repeat rows to one per picture of the batch; pictures of one prompt stand together."""
    return array if len(array) == batch else np.repeat(array, batch // len(array), axis=0)
