"""The clean latent that a denoiser's call predicts, from what the call read and wrote.

D depends on the sampler: x0, the noise, or a derivative. From `D = p*y + q*m` follow the prediction m, and x0.
"""

from __future__ import annotations

from math import hypot, isinf

import numpy as np
from numpy.typing import NDArray

from latentlink.runtime.samplers.schedules.prediction import FLOW, X0
from latentlink.runtime.samplers.solvers.table import COLUMNS, SamplerTable


def clean_coefficients(table: SamplerTable, prediction: str) -> NDArray[np.float64]:
    """u and v of `x0 = u*x + v*D` for every row, where x is what the row read: float64 `[R, 2]`.

    Args:
        table: The sampler's rows.
        prediction: Prediction of the model, a key of prediction.py's tables.

    Returns:
        u and v. If x is pure noise and the model predicts that noise, nothing is known of x0: both are 0.
    """
    made = []
    for row, ratio in zip(table.rows, table.sigmas.tolist(), strict=True):
        _, c_in, p, q = row[: COLUMNS.index("a")].tolist()
        signal = 1 / (1 + ratio) if prediction == FLOW else 1 / hypot(1, ratio)
        noise = 1.0 if isinf(ratio) else ratio * signal
        if q == 0 or (signal == 0 and prediction == "epsilon"):
            made.append((0.0, 0.0))
            continue
        of_x, of_m = X0[prediction](signal, noise)
        made.append((of_x * c_in - of_m * p / q, of_m / q))
    return np.array(made)
