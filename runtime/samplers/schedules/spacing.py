"""The timesteps and noise levels that a sampler visits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from latentlink.runtime.samplers.schedules.beta_quantile import beta_quantile
from latentlink.runtime.samplers.schedules.levels import FloatArray, NoiseLevels
from latentlink.runtime.samplers.schedules.refusal import refusal

Rounding = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRequest:
    """The settings of a grid, with every choice made.

    Attributes:
        steps: N, at least 1.
        spacing: A key of `SPACINGS`; "" if the sampler has timesteps of its own.
        offset: Number added to timesteps of "leading" spacing.
        sigmas: A key of `SIGMAS`, or None for the levels of the spaced timesteps themselves.
        rounding: By key of `SIGMAS`, how the timestep of a sigma is made whole; without an entry it is not.
        final: "zero" or "sigma_min", the level after the last step.
        original_steps: Steps of the schedule that a consistency model was distilled on.
    """

    steps: int
    spacing: str
    offset: int
    sigmas: str | None
    rounding: Mapping[str, Rounding]
    final: str
    original_steps: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """The timesteps and levels of N steps, noisiest first.

    Attributes:
        timesteps: float64 `[N]`, the timesteps that the model reads.
        sigmas: float64 `[N+1]`, the level at each step and after the last one.
    """

    timesteps: FloatArray
    sigmas: FloatArray


def _leading(T: int, count: int, offset: int) -> FloatArray:
    return np.asarray((np.arange(count) * (T // count))[::-1] + offset, dtype=np.float64)


def _linspace(T: int, count: int, offset: int) -> FloatArray:
    return np.linspace(0, T - 1, count)[::-1]


def _trailing(T: int, count: int, offset: int) -> FloatArray:
    # For some counts arange ends one entry late, at timestep -1, which no model knows.
    return (np.arange(T, 0, -T / count).round() - 1)[:count]


SPACINGS = {"leading": _leading, "linspace": _linspace, "trailing": _trailing}
"""Lin et al. 2024, table 2: `(T, count, offset) -> timesteps [count]`, falling."""


def _karras(low: float, high: float, count: int) -> FloatArray:
    """Karras et al. 2022, eq. 5, with rho = 7."""
    rho = 7.0
    ramp = np.linspace(0, 1, count)
    return np.asarray((high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho)


def _exponential(low: float, high: float, count: int) -> FloatArray:
    """Equal steps of log(sigma), which are equal steps of lambda: Lu et al. 2022 (DPM-Solver)."""
    return np.asarray(np.exp(np.linspace(np.log(high), np.log(low), count)))


def _beta(low: float, high: float, count: int) -> FloatArray:
    """Lee et al. 2024 (Beta Sampling is All You Need), with alpha = beta = 0.6."""
    return low + beta_quantile(1 - np.linspace(0, 1, count), 0.6, 0.6) * (high - low)


SIGMAS = {"karras": _karras, "exponential": _exponential, "beta": _beta}
"""`(lowest, highest, count) -> sigmas [count]`, falling."""


def discrete_grid(levels: NoiseLevels, request: GridRequest) -> Grid:
    """Whole timesteps of the training schedule, the first and last of the spacing included (DDIM)."""
    t = SPACINGS[request.spacing](len(levels.alpha_bar), request.steps, request.offset).round()
    return _at_whole_timesteps(levels, _check_timesteps(t, levels, request), request)


def continuous_grid(levels: NoiseLevels, request: GridRequest) -> Grid:
    """Timesteps that need not be whole; other sigmas keep the ends of the spacing (k-diffusion's solvers)."""
    # float32, because the model's embedding of a fractional timestep shows that rounding.
    t = SPACINGS[request.spacing](len(levels.alpha_bar), request.steps, request.offset)
    t = _check_falling(t.astype(np.float32).astype(np.float64), request)
    if request.sigmas is None:
        return Grid(timesteps=t, sigmas=np.append(levels.sigma_at(t), _final_sigma(levels, request)))
    high, low = levels.sigma_at(t[[0, -1]])
    return _at_sigmas(levels, SIGMAS[request.sigmas](float(low), float(high), request.steps), request)


def interior_grid(levels: NoiseLevels, request: GridRequest) -> Grid:
    """Whole timesteps without the lowest one of the spacing; other sigmas span the whole training schedule.

    The lowest is left out because the level after the last step takes its place (DPM-Solver and related samplers).
    """
    T, N = len(levels.alpha_bar), request.steps
    if request.sigmas is not None:
        table = levels.sigmas
        sigmas = SIGMAS[request.sigmas](float(table[0]), float(table[-1]), N)
        return _at_sigmas(levels, sigmas, request)
    count = N if request.spacing == "trailing" else N + 1
    t = SPACINGS[request.spacing](T, count, 0).round()[:N] + (request.offset if request.spacing == "leading" else 0)
    return _at_whole_timesteps(levels, _check_timesteps(t, levels, request), request)


def distilled_grid(levels: NoiseLevels, request: GridRequest) -> Grid:
    """N of the timesteps that a consistency model was distilled on (Luo et al. 2023)."""
    T, original = len(levels.alpha_bar), request.original_steps
    if not request.steps <= original <= T:
        raise refusal(
            f"{request.steps} steps of a model distilled on {original} of {T} timesteps",
            f"1 to {min(original, T)} steps",
            "Ask for fewer steps; 2 to 8 are usual.",
        )
    trained = (np.arange(1, original + 1) * (T // original) - 1)[::-1]
    chosen = np.floor(np.linspace(0, original, request.steps, endpoint=False)).astype(np.int64)
    return _at_whole_timesteps(levels, trained[chosen].astype(np.float64), request)


def _at_whole_timesteps(levels: NoiseLevels, t: FloatArray, request: GridRequest) -> Grid:
    sigmas = levels.sigmas[t.astype(np.int64)]
    return Grid(timesteps=t, sigmas=np.append(sigmas, _final_sigma(levels, request)))


def _at_sigmas(levels: NoiseLevels, sigmas: FloatArray, request: GridRequest) -> Grid:
    t = levels.timestep_of(sigmas)
    if request.sigmas is not None and request.sigmas in request.rounding:
        t = request.rounding[request.sigmas](t)
    return Grid(timesteps=t, sigmas=np.append(sigmas, _final_sigma(levels, request)))


def _final_sigma(levels: NoiseLevels, request: GridRequest) -> float:
    return float(levels.sigmas[0]) if request.final == "sigma_min" else 0.0


def _check_timesteps(t: FloatArray, levels: NoiseLevels, request: GridRequest) -> FloatArray:
    """Check that all timesteps exist in the table, and fall."""
    T = len(levels.alpha_bar)
    if t.max() >= T or t.min() < 0:
        raise refusal(
            f"{request.steps} steps of {request.spacing!r} spacing with offset {request.offset}, which visit "
            f"timesteps {t.min():g} to {t.max():g}",
            f"timesteps from 0 to {T - 1}",
            "Ask for fewer steps, or another spacing.",
        )
    return _check_falling(t, request)


def _check_falling(t: FloatArray, request: GridRequest) -> FloatArray:
    if (np.diff(t) >= 0).any():
        raise refusal(
            f"{request.steps} steps of {request.spacing!r} spacing, of which some visit the same timestep",
            "a timestep for each step",
            "Ask for fewer steps, or another spacing.",
        )
    return t
