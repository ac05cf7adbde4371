"""A UNet that takes latents of any size: what it upsamples gets the size of what it is joined with.

On its way down a UNet halves its latent, and rounds up. On its way up it doubles and joins the result with an output of
the way down, which is a row or column smaller if a size was odd. There the networks of diffusers upsample to that size
instead, if a side of the latent does not divide. A graph makes no such choice: it always upsamples to the size of the
other output, which is exactly the double where sides divide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from latentlink.export.checkpoints import Checkpoint

TO_ANY_SIZE = {"UpBlock2D", "CrossAttnUpBlock2D", "AttnUpBlock2D"}
"""Blocks of diffusers that upsample to a size; others only double."""


class UpsampleTo(nn.Module):
    """What diffusers' `Upsample2D` computes in a UNet. Its arithmetic about sizes would double the time of tracing.

    Args:
        conv: The convolution after upsampling; its weights keep their names.
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, small: Tensor, size: Any = None) -> Tensor:
        """From `[N, C, h, w]` to `[N, C', *size]`; without a size, to twice as many rows and columns."""
        double = 2.0 if size is None else None
        convolved: Tensor = self.conv(nn.functional.interpolate(small, size=size, scale_factor=double, mode="nearest"))
        return convolved


def upsample_to_skips(unet: Any) -> int:
    """Make a UNet take latents of any size, once it is traced with sides that do not divide.

    Args:
        unet: `UNet2DConditionModel`, which is changed in place. A graph's stand-in, and a network with blocks that only
            double, stay as they are.

    Returns:
        How many times the network halves its latent and rounds up; 0 for one that stays as it is.
    """
    if not hasattr(unet, "up_blocks") or not _to_any_size(unet.config):
        return 0
    blocks = [block for block in unet.up_blocks if block.upsamplers is not None]
    for block in blocks:
        block.upsamplers = nn.ModuleList(UpsampleTo(upsampler.conv) for upsampler in block.upsamplers)
    return len(blocks)


def size_multiple(checkpoint: Checkpoint, config: Mapping[str, Any], downscale: int) -> int:
    """The number of pixels that sides are multiples of.

    Args:
        checkpoint: The checkpoint.
        config: Config of its UNet.
        downscale: Pixels per latent element along one side.
    """
    if _to_any_size(config) and not checkpoint.as_graphs:
        return downscale
    return int(downscale * 2 ** (len(config["block_out_channels"]) - 1))


def _to_any_size(config: Mapping[str, Any]) -> bool:
    return {*config.get("up_block_types", ())} <= TO_ANY_SIZE
