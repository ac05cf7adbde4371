"""The network of tiny VAEs, from the layers of its file (after github.com/madebyollin/taesd, MIT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from latentlink.export.checkpoints.taesd import Layer

LIMIT = 3.0
"""The decoder reads latents within this magnitude: others are squeezed into it smoothly."""

GROUPS, WIDENING = 4, 4
"""Groups of a pooled branch's norm, and how many times wider the branch is."""


class Clamp(nn.Module):
    """Latents squeezed into -`LIMIT`..`LIMIT`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / LIMIT) * LIMIT


class Block(nn.Module):
    """Three convolutions beside a shortcut; before them, in FLUX.2's, a branch normalised over the whole picture."""

    def __init__(self, read: int, written: int, pooled: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(read, written), nn.ReLU(), _conv(written, written), nn.ReLU(), _conv(written, written)
        )
        self.skip = nn.Identity() if read == written else nn.Conv2d(read, written, 1, bias=False)
        self.pool: nn.Module | None = None
        if pooled:
            wide = WIDENING * read
            self.pool = nn.Sequential(
                nn.Conv2d(read, wide, 1, bias=False),
                nn.GroupNorm(GROUPS, wide),
                nn.ReLU(),
                nn.Conv2d(wide, read, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + self.skip(x))


class Taesd(nn.Module):
    """One or both halves of a tiny VAE.

    Args:
        encoder: Layers from the picture `[B, 3, H, W]` in 0..1 to the latent `[B, C, h, w]`; None without it.
        decoder: Layers from the latent to the picture; None without it.
    """

    def __init__(self, encoder: Sequence[Layer] | None = None, decoder: Sequence[Layer] | None = None) -> None:
        super().__init__()
        self.encoder = None if encoder is None else nn.Sequential(*map(_module, encoder))
        self.decoder = None if decoder is None else nn.Sequential(*map(_module, decoder))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The network of `TaesdFiles.config`, as `assemble` makes it."""
        return cls(config.get("encoder"), config.get("decoder"))


def _conv(read: int, written: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(read, written, 3, padding=1, stride=stride, bias=bias)


def _module(layer: Layer) -> nn.Module:
    match layer.kind:
        case "conv":
            return _conv(layer.read, layer.written, layer.stride, layer.bias)
        case "block":
            return Block(layer.read, layer.written, layer.pooled)
        case "relu":
            return nn.ReLU()
        case "double":
            return nn.Upsample(scale_factor=2)
        case _:
            return Clamp()
