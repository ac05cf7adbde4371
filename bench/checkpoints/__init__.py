"""Random-weight checkpoints of real families: the same classes, files and peculiarities, but no usable pictures."""

from __future__ import annotations

from latentlink.bench.checkpoints.table import CHECKPOINTS, make_checkpoint

__all__ = [
    # random-weight checkpoints
    "CHECKPOINTS",
    "make_checkpoint",
]  # fmt: skip
