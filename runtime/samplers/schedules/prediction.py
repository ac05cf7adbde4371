"""What a denoiser predicts, in one place: every sampler sees x0, or the noise, as `p*x + q*m`.

The model m was trained on `x = alpha*x0 + sigma*eps` and predicts

    epsilon          eps                          (Ho et al. 2020)
    v_prediction     v = alpha*eps - sigma*x0     (Salimans and Ho 2022, appendix D)
    sample           x0
    flow_prediction  eps - x0                     (Lipman et al. 2023, Liu et al. 2023)

with `alpha**2 + sigma**2 = 1`, or `alpha + sigma = 1` where it predicts the flow.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

Coefficients = tuple[float, float]

X0: dict[str, Callable[[float, float], Coefficients]] = {
    "epsilon": lambda alpha, sigma: (1 / alpha, -sigma / alpha),
    "v_prediction": lambda alpha, sigma: (alpha, -sigma),
    "sample": lambda alpha, sigma: (0.0, 1.0),
    "flow_prediction": lambda alpha, sigma: (1.0, -sigma),
}

EPSILON: dict[str, Callable[[float, float], Coefficients]] = {
    "epsilon": lambda alpha, sigma: (0.0, 1.0),
    "v_prediction": lambda alpha, sigma: (sigma, alpha),
    "sample": lambda alpha, sigma: (1 / sigma, -alpha / sigma),
    "flow_prediction": lambda alpha, sigma: (1.0, alpha),
}

FLOW = "flow_prediction"
PREDICTIONS = tuple(name for name in X0 if name != FLOW)
"""Predictions of models that were trained with a noise schedule."""


def alpha_sigma(prediction: str, ratio: float) -> tuple[float, float]:
    """(alpha, sigma) whose quotient sigma/alpha is `ratio`, the sigma of Karras et al. 2022."""
    alpha = 1 / (1 + ratio) if prediction == FLOW else 1 / sqrt(ratio**2 + 1)
    return alpha, ratio * alpha


def derivative(prediction: str, ratio: float) -> tuple[float, float, float]:
    """(c_in, p, q) that make D = dx/dsigma of the unscaled `x = x0 + ratio*eps`, which is eps.

    Karras et al. 2022, eq. 1 and 3: dx/dsigma = (x - D(x; sigma)) / sigma. The model reads c_in*x.
    """
    alpha, sigma = alpha_sigma(prediction, ratio)
    p, q = EPSILON[prediction](alpha, sigma)
    return alpha, p * alpha, q
