"""The noise level of every training timestep, and the timestep of a noise level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def float32_values(values: FloatArray) -> FloatArray:
    """Values rounded to float32, held in float64."""
    return values.astype(np.float32).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseLevels:
    """`x_t = sqrt(alpha_bar[t])*x0 + sqrt(1 - alpha_bar[t])*eps`.

    Attributes:
        alpha_bar: float64 `[T]`, falling, in [0, 1); 0 only at the last timestep of a zero-terminal-SNR model.
    """

    alpha_bar: FloatArray

    @property
    def sigmas(self) -> FloatArray:
        """Noise-to-signal ratio `[T]`, rising: the sigma of Karras et al. 2022. Infinite where alpha_bar is 0.

        Rounded to float32 where diffusers rounds, because `timestep_of` depends on it.
        """
        with np.errstate(divide="ignore"):
            return float32_values(np.sqrt(float32_values(float32_values(1 - self.alpha_bar) / self.alpha_bar)))

    def sigma_at(self, t: FloatArray) -> FloatArray:
        """Sigma at timesteps that need not be whole, interpolated linearly and clamped to the table."""
        return np.interp(t, np.arange(len(self.alpha_bar)), self.sigmas)

    def timestep_of(self, sigma: FloatArray) -> FloatArray:
        """The timestep, not whole, at which the schedule has this sigma; interpolated linearly in log(sigma).

        The logarithms of the table are rounded to float32 as in diffusers: where a sampler cuts off the fraction, the
        last bit of log(sigma) decides whether the first timestep is T-1 or T-2. diffusers' own answer depends on the
        processor, through torch's square root and numpy's float32 logarithm; this one does not.
        """
        table = np.log(self.sigmas).astype(np.float32)
        wanted = np.log(np.maximum(sigma, 1e-10))
        low = np.clip(np.searchsorted(table, wanted, side="right") - 1, 0, len(table) - 2)
        weight = np.clip((table[low] - wanted) / (table[low] - table[low + 1]), 0, 1)
        return np.asarray((1 - weight) * low + weight * (low + 1), dtype=np.float64)
