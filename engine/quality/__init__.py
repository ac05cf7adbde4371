"""How well an engine agrees with its reference, and the least that is accepted."""

from __future__ import annotations

from latentlink.engine.quality.agreement import Agreement, decibel, psnr
from latentlink.engine.quality.gate import Quality
from latentlink.engine.quality.precisions import MIXED, QUANTISED, is_quantised, mixed

__all__ = [
    # agreement with a reference
    "Agreement",
    "decibel",
    "psnr",
    # the gate of quantised engines
    "Quality",
    # precisions by name
    "MIXED",
    "QUANTISED",
    "is_quantised",
    "mixed",
]  # fmt: skip
