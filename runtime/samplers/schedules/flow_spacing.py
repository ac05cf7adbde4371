"""The noise levels that samplers of flow-matching models visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentlink.runtime.samplers.schedules.levels import FloatArray, float32_values
from latentlink.runtime.samplers.schedules.spacing import SIGMAS, Grid

# Solvers in log-SNR cannot start from a signal of 0; diffusers' distance from it.
_LEAST_SIGNAL = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowGridRequest:
    """The settings of a grid, with every choice made.

    Attributes:
        steps: N, at least 1.
        T: Timesteps of training.
        shift: s of `static_shift`.
        dynamic: Whether s depends on the picture's size; training's own levels are then not shifted.
        uniform: Whether levels before shifting go evenly down to 1/N, and not to the lowest of training.
        terminal: The last level above 0; None for the shifted one.
        sigmas: A key of `SIGMAS`, or None.
    """

    steps: int
    T: int
    shift: float
    dynamic: bool
    uniform: bool
    terminal: float | None
    sigmas: str | None

    def shifted(self, sigma: FloatArray) -> FloatArray:
        """`static_shift`; a dynamic shift uses other operations, as their last bit decides a whole timestep."""
        if self.dynamic:
            return self.shift / (self.shift + (1 / sigma - 1))
        return static_shift(sigma, self.shift)


def static_shift(sigma: FloatArray, shift: float) -> FloatArray:
    """Esser et al. 2024, eq. 23: levels of a picture with `shift**2` times as many pixels that look as noisy."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def share_grid(request: FlowGridRequest) -> Grid:
    """For solvers in sigma, the share of noise, from 1. Timesteps are not whole.

    If levels go down to the lowest of training, a static shift applies twice to that one: once in training's level,
    once as for all others. FlowMatchEulerDiscreteScheduler of diffusers does the same.
    """
    N, T = request.steps, request.T
    if request.uniform:
        lowest = 1 / N
    elif request.dynamic:
        lowest = 1 / T
    else:
        lowest = float(static_shift(np.array(1 / T), request.shift))
    sigma = _to_terminal(request.shifted(np.linspace(1, lowest, N)), request.terminal)
    if request.sigmas is not None:
        sigma = SIGMAS[request.sigmas](float(sigma[-1]), float(sigma[0]), N)
    sigma = float32_values(sigma)
    return Grid(timesteps=float32_values(sigma * T), sigmas=np.append(sigma, 0.0))


def dpmpp_grid(request: FlowGridRequest) -> Grid:
    """For DPM-Solver++, the ratio of noise to signal; whole timesteps.

    Levels are evenly spaced from 0 to 1 - 1/T, and the lowest is left out for the clean picture.
    """
    signal = np.linspace(1, 1 / request.T, request.steps + 1)
    return _ratios(static_shift(1 - signal, request.shift)[::-1][:-1], request)


def unipc_grid(request: FlowGridRequest) -> Grid:
    """For UniPC, the ratio of noise to signal; whole timesteps.

    Levels are evenly spaced from 1 to 1/T, and the lowest is left out for the clean picture.
    """
    sigma = request.shifted(np.linspace(1, 1 / request.T, request.steps + 1)[:-1])
    sigma = _to_terminal(sigma, request.terminal)
    return _ratios(np.minimum(sigma, 1 - _LEAST_SIGNAL), request)


def _ratios(sigma: FloatArray, request: FlowGridRequest) -> Grid:
    # float32, because near pure noise that rounding is 1e-2 of the signal.
    rounded = float32_values(sigma)
    return Grid(timesteps=np.floor(sigma * request.T), sigmas=np.append(rounded / (1 - rounded), 0.0))


def _to_terminal(sigma: FloatArray, terminal: float | None) -> FloatArray:
    """Signal scaled so that the last level is `terminal` (Lightricks 2024, LTX-Video); a lone 1 stays as it is."""
    if terminal is None or sigma[-1] == 1:
        return sigma
    return np.asarray(1 - (1 - sigma) / ((1 - sigma[-1]) / (1 - terminal)))
