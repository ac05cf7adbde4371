"""Tiny VAEs as their author writes them, of pictures in 0..1 (github.com/madebyollin/taesd, MIT)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    def __init__(self, width: int, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv(width), nn.ReLU(), conv(width), nn.ReLU(), conv(width))
        self.pool = None
        if pooled:
            narrow, wide = nn.Conv2d(width, 4 * width, 1, bias=False), nn.Conv2d(4 * width, width, 1, bias=False)
            self.pool = nn.Sequential(narrow, nn.GroupNorm(4, 4 * width), nn.ReLU(), wide)

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


def conv(read: int, written: int | None = None, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(read, read if written is None else written, 3, padding=1, stride=stride, bias=bias)


def down(pooled: bool = False) -> list[nn.Module]:
    return [conv(64, stride=2, bias=False), Block(64, pooled), Block(64, pooled), Block(64, pooled)]


def up(width: int = 64, written: int = 64, pooled: bool = False) -> list[nn.Module]:
    blocks = [Block(width, pooled) for _ in range(3)]
    return [*blocks, nn.Upsample(scale_factor=2), conv(width, written, bias=False)]


def authors_encoder(channels: int, *, pooled: bool = False, deep: bool = False) -> nn.Sequential:
    """From pictures to latents: /8, or /32 if it is `deep`, as for Sana."""
    head: list[nn.Module] = [conv(3, 64), Block(64)]
    if deep:
        head = [conv(3, 32, stride=2), nn.ReLU(), conv(32, 64, stride=2), nn.ReLU(), Block(64)]
    return nn.Sequential(*head, *down(), *down(), *down(pooled), conv(64, channels)).eval()


def authors_decoder(channels: int, *, pooled: bool = False, deep: bool = False) -> nn.Sequential:
    """From latents to pictures."""
    if deep:
        middle = [*up(256, 128), *up(128, 64), *up(), *up(), *up()]
        return nn.Sequential(Clamp(), conv(channels, 256), nn.ReLU(), *middle, Block(64), conv(64, 3)).eval()
    middle = [*up(pooled=pooled), *up(), *up()]
    return nn.Sequential(Clamp(), conv(channels, 64), nn.ReLU(), *middle, Block(64), conv(64, 3)).eval()
