"""Observers: the scale of an activation from its histogram, which is counted without storing activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.formats import Floats, Format

BINS = 2048
"""Bins of a histogram: 16 for every int8 code."""

PERCENTILE = 99.99
"""Percentage of the magnitudes that the percentile observer does not clip."""

CLIPS = np.linspace(0.2, 1.0, 65)
"""Clipping points that `by_mse` tries, as shares of the largest magnitude."""

MIN_MAGNITUDE = 1e-12
"""Smallest magnitude that a scale is made from, so that a tensor of zeros has a scale too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """Magnitudes of a tensor in `BINS` bins of equal width from 0 to `top`.

    Args:
        top: Largest magnitude, known from an earlier pass; larger ones are counted in the last bin.
        counts: int64 `[BINS]`.
    """

    top: float
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, values: Floats) -> None:
        """Count values."""
        scaled = np.abs(values.ravel()) * (BINS / max(self.top, MIN_MAGNITUDE))
        self.counts[:] += np.bincount(np.minimum(scaled, BINS - 1).astype(np.int64), minlength=BINS)


def by_range(histogram: Histogram, target: Format) -> float:
    """The scale that clips nothing (min-max)."""
    return max(histogram.top, MIN_MAGNITUDE) / target.largest


def by_percentile(histogram: Histogram, target: Format) -> float:
    """The scale that clips 0.01 percent of the magnitudes."""
    total = int(histogram.counts.sum())
    if total == 0:
        return by_range(histogram, target)
    last = int(np.searchsorted(np.cumsum(histogram.counts), total * PERCENTILE / 100))
    return max(histogram.top * min(last + 1, BINS) / BINS, MIN_MAGNITUDE) / target.largest


def by_mse(histogram: Histogram, target: Format) -> float:
    """The scale with the least squared error of rounding and clipping together."""
    centres = (np.arange(BINS) + 0.5) * (max(histogram.top, MIN_MAGNITUDE) / BINS)

    def error(scale: float) -> float:
        return float(histogram.counts @ (target.round(centres / scale) * scale - centres) ** 2)

    scales = [by_range(histogram, target) * float(clip) for clip in CLIPS[::-1]]
    return min(scales, key=error)


OBSERVERS: Mapping[str, Callable[[Histogram, Format], float]] = {
    "mse": by_mse,
    "percentile": by_percentile,
    "minmax": by_range,
}
"""Observers by name."""


def weight_scales(weights: Floats, axis: int, target: Format) -> NDArray[np.float32]:
    """Scales of the channels along `axis`, float32 `[channels]`: the largest magnitude gets the largest code."""
    others = tuple(number for number in range(weights.ndim) if number != axis)
    largest = np.maximum(np.abs(weights).max(axis=others), MIN_MAGNITUDE)
    scales: NDArray[np.float32] = (largest / target.weights).astype(np.float32)
    return scales
