"""Streaming observers: from activations that are seen once and not kept to the scale they are quantised with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.formats import Floats, Format

BINS = 2048
"""Of a histogram: 16 for every code of int8."""

PERCENTILE = 99.99
"""Share of the magnitudes, in percent, that the percentile observer does not clip."""

CLIPS = np.linspace(0.2, 1.0, 65)
"""Shares of the largest magnitude that are tried as the clipping point of least squared error."""

LEAST = 1e-12
"""A tensor that is always zero still has a scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """Magnitudes of a tensor, counted in `BINS` bins of equal width from 0 to `top`.

    Args:
        top: Largest magnitude, known from an earlier pass; what is above it is counted in the last bin.
        counts: int64 `[BINS]`.
    """

    top: float
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, values: Floats) -> None:
        """Count some."""
        scaled = np.abs(values.ravel()) * (BINS / max(self.top, LEAST))
        self.counts[:] += np.bincount(np.minimum(scaled, BINS - 1).astype(np.int64), minlength=BINS)


def by_range(seen: Histogram, target: Format) -> float:
    """The scale at which nothing is clipped (min-max)."""
    return max(seen.top, LEAST) / target.largest


def by_percentile(seen: Histogram, target: Format) -> float:
    """The scale at which all but 0.01 percent is not clipped."""
    total = int(seen.counts.sum())
    if total == 0:
        return by_range(seen, target)
    last = int(np.searchsorted(np.cumsum(seen.counts), total * PERCENTILE / 100))
    return max(seen.top * min(last + 1, BINS) / BINS, LEAST) / target.largest


def by_mse(seen: Histogram, target: Format) -> float:
    """The scale of least squared error over the histogram, rounding and clipping weighed against each other."""
    centres = (np.arange(BINS) + 0.5) * (max(seen.top, LEAST) / BINS)

    def error(scale: float) -> float:
        return float(seen.counts @ (target.rounded(centres / scale) * scale - centres) ** 2)

    tried = [by_range(seen, target) * float(clip) for clip in CLIPS[::-1]]
    return min(tried, key=error)


OBSERVERS: Mapping[str, Callable[[Histogram, Format], float]] = {
    "mse": by_mse,
    "percentile": by_percentile,
    "minmax": by_range,
}
"""By name; the first is taken where none is named."""


def weight_scales(weights: Floats, axis: int, target: Format) -> NDArray[np.float32]:
    """A scale for every channel along `axis`, float32 `[channels]`: its largest magnitude becomes the largest code."""
    others = tuple(number for number in range(weights.ndim) if number != axis)
    largest = np.maximum(np.abs(weights).max(axis=others), LEAST)
    scales: NDArray[np.float32] = (largest / target.weights).astype(np.float32)
    return scales
