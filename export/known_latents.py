"""Latents of one picture in spaces that no shape tells apart, with which a VAE's own latents are compared.

The VAEs of Stable Diffusion 1 and 2 and of Stable Diffusion XL have equal names and shapes. Their latents of one
picture are as different as those of two pictures, whatever the scaling. The reference latents are those of TAESD and
TAESDXL (Boer Bohan, MIT), which imitate the encoders of the two spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.probe_pictures import draw_pattern
from latentlink.spaces import KNOWN_SPACES, LatentSpace

PATTERN, SIDE = "edges", 64
CHANNELS, CELLS = 4, 8
UNIT = 32
"""Parts of 1 in which the references are written."""

LATENTS: Mapping[str, str] = {
    "sd": (
        "3b332d2be6f3e7f7342216e71713f7f12829ed2a302624f136e001331e130aebfdc5d9250809fdc9382d1859293f3e342e18"
        "06352f2d2823221e172b232e272c1519202cc8cbc3df131a28d8ead9cbd2110df8f3e8fbc8de21e9feeae8efcddcf5eae7eb"
        "ebf1e0f306280815ebf01c221e260a2d342a232e1f2e0f262324202fe6f4fa0a06222e29f51023f7f9fffe36fc12e5dcc8dc"
        "0b1bf427d3cfe1f004e124fdfc09e5f9f31ee101e6e1eaefd0f2fd18edf3f1f1010ffe1bf3f80f120c13221f1718e9d9cfe3"
        "1e120af00409dfe1130c0115150f1cde11eb0b1b0604eedbf3cee921fc03fad9fee71b070d1af4eee9dc14e4e8e7e3e8e5e9"
        "23e2e8f0e9f6"
    ),
    "sdxl": (
        "f4fbec1bf6fff800fdeb0cfd10fc070ce905f702e5c8e30b08f308d7c2c1d6fc09160516d4e1e815373af74c201438382928"
        "ee372d231930352d0f3e2f2f3231e7f0dd131929233bf8dbf702f7e6263fe1f106ebd0d3e21d05e12dc2cfc1eb0e0231fd19"
        "c7efd92dd806e7eec4c6de00011ef9f9f9f0f813130bfc15110b0c0d2b4146d8d7cfd8c43e3d0910d3e3c3e84a1825de010a"
        "efeb26e729f5132cef0bdfe723ec25fed4dfe6ecc0e90cef27f826e5dd22fd0f161f17fb231b1b1a1b1befeae406f500030a"
        "eefde83406fc1305e7e149ef05cade29ed1235e8c6d2d213ee323d2cebf8fd210de1fce2240501e9e9e3e4f2ecd3d7ebf3df"
        "3befe9eef0f7"
    ),
}
"""By space: latent of the picture `[4, 8, 8]`, each number in 1/32 as a signed byte in hexadecimal digits."""

# Mean correlation over the channels. The two references agree with each other by -0.02, random weights with either by
# at most 0.2; an encoder agrees with the one that it was distilled from or fine-tuned from. A decoder makes the picture
# from latents of its own space (TAESD and TAESDXL: 0.97), and something else from those of the other (0.32 and 0.39).
LIKE, UNLIKE = 0.8, 0.5

TINY = 1e-12
"""Least norm, so that a constant channel agrees with nothing."""


def refuse_another_space(encode: Callable[[Tensor], Tensor], space: LatentSpace) -> None:
    """Refuse a VAE whose latents are those of another known space than the one it would be exported in.

    Args:
        encode: From the picture `[1, 3, H, W]` in -1..1 to the moments of the raw latent `[1, 2C, h, w]`.
        space: The space. Nothing is refused where there is no reference for it.

    Raises:
        CheckpointError: The VAE belongs to another space.
    """
    if KNOWN_SPACES.get(space.name) != space or space.name not in LATENTS:
        return
    likeness = likeness_of(encode)
    other = max(likeness, key=likeness.__getitem__)
    if other != space.name and likeness[other] >= LIKE and likeness[space.name] <= UNLIKE:
        raise CheckpointError(
            f"The VAE would be used for the latent space {space.name}, but its weights encode a picture as those of "
            f"{other} do (correlation {likeness[other]:.2f}, with {space.name} {likeness[space.name]:.2f}).",
            remedy=f"Give a VAE of {space.name}; the two have equal names and shapes, and differ in their weights.",
        )


def refuse_another_decoder(decode: Callable[[Tensor], Tensor], space: LatentSpace) -> None:
    """Refuse a decoder that makes the picture from the reference latents of another known space than its own.

    Args:
        decode: From the denoiser's latent `[1, 4, h, w]` to uint8 RGB `[1, H, W, 3]`.
        space: As of `refuse_another_space`.

    Raises:
        CheckpointError: The decoder belongs to another space.
    """
    if KNOWN_SPACES.get(space.name) != space or space.name not in LATENTS:
        return
    picture = _centred(torch.from_numpy(draw_pattern(PATTERN, SIDE, SIDE)).permute(2, 0, 1))
    with torch.no_grad():
        decoded = {name: decode(_reference(text)[None] / UNIT)[0].permute(2, 0, 1) for name, text in LATENTS.items()}
    likeness = {name: float((_centred(one) * picture).sum(dim=1).mean()) for name, one in decoded.items()}
    other = max(likeness, key=likeness.__getitem__)
    if other != space.name and likeness[other] >= LIKE and likeness[space.name] <= UNLIKE:
        raise CheckpointError(
            f"The decoder would be used for the latent space {space.name}, but its weights decode latents of {other} "
            f"(correlation with the picture {likeness[other]:.2f}, from latents of {space.name} "
            f"{likeness[space.name]:.2f}).",
            remedy=f"Give a decoder of {space.name}; the two have equal names and shapes, and differ in their weights.",
        )


def likeness_of(encode: Callable[[Tensor], Tensor]) -> Mapping[str, float]:
    """By space: mean correlation over the channels between a VAE's latent of the picture and the reference.

    Args:
        encode: As of `refuse_another_space`.
    """
    picture = torch.from_numpy(draw_pattern(PATTERN, SIDE, SIDE)).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    with torch.no_grad():
        found = _centred(encode(picture)[0, :CHANNELS])
    return {name: float((found * _centred(_reference(text))).sum(dim=1).mean()) for name, text in LATENTS.items()}


def _reference(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.int8).reshape(CHANNELS, CELLS, CELLS).float()


def _centred(latent: Tensor) -> Tensor:
    """Channels `[C, h*w]` with mean 0 and norm 1."""
    flat = latent.flatten(1).double()
    flat -= flat.mean(dim=1, keepdim=True)
    return flat.div_(flat.norm(dim=1, keepdim=True).clamp(min=TINY))
