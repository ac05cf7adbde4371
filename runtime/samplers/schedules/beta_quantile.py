"""Quantiles of the beta distribution, for the beta schedule of noise levels."""

from __future__ import annotations

from math import exp, lgamma

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The series below is used up to x = 1/2 only, where a term is less than half of the one before.
_TERMS = 60
_NEWTON_STEPS = 30


def beta_quantile(probability: ArrayLike, a: float, b: float) -> NDArray[np.float64]:
    """x in [0, 1] with I_x(a, b) = probability; exactly 0 at 0 and 1 at 1.

    Args:
        probability: In [0, 1], any shape.
        a: First shape parameter, positive.
        b: Second shape parameter, positive.

    Returns:
        float64, the shape of `probability`; relative error below 1e-12.
    """
    p = np.asarray(probability, dtype=np.float64)
    middle = _lower(np.array(0.5), a, b)
    lower = _invert(np.minimum(p, middle), a, b)
    upper = 1 - _invert(np.minimum(1 - p, 1 - middle), b, a)
    return np.where(p <= middle, lower, upper)


def _series(x: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """S of I_x(a, b) = x**a * S: NIST Handbook of Mathematical Functions, 8.17.7 with 15.2.1."""
    n = np.arange(_TERMS)
    factors = np.concatenate([[1.0], np.cumprod((n[1:] - b) / n[1:])])  # (1-b)_n / n!
    scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b))
    return scale * np.asarray(((factors / (a + n)) * x[..., None] ** n).sum(-1))


def _lower(x: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    return np.asarray(x**a * _series(x, a, b))


def _invert(p: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Newton's method on y = x**a, in which I is almost a straight line; x stays within [0, 1/2]."""
    scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b))
    y = np.minimum(p * a / scale, 0.5**a)
    for _ in range(_NEWTON_STEPS):
        x = y ** (1 / a)
        slope = scale / a * (1 - x) ** (b - 1)  # dI/dy
        y = np.clip(y - (_lower(x, a, b) - p) / slope, 0.0, 0.5**a)
    return np.asarray(y ** (1 / a))
