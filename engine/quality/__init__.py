"""Quality: how well an engine agrees with its reference, and the thresholds that it has to reach."""

from __future__ import annotations

from latentlink.engine.quality.agreement import FLOAT32, Agreement, Threshold, decibel, measure_agreement, psnr
from latentlink.engine.quality.gate import Quality
from latentlink.engine.quality.precisions import (
    MIXED_PRECISIONS,
    QUANTISED_PRECISIONS,
    is_quantised,
    mixed_precision,
)
from latentlink.engine.quality.shortfall import Shortfall

__all__ = [
    # agreement with a reference
    "Agreement",
    "FLOAT32",
    "Threshold",
    "measure_agreement",
    "decibel",
    "psnr",
    # the gate of quantised engines
    "Quality",
    # figures below a threshold
    "Shortfall",
    # precisions by name
    "MIXED_PRECISIONS",
    "QUANTISED_PRECISIONS",
    "is_quantised",
    "mixed_precision",
]  # fmt: skip
