"""The training of a denoiser: its noise schedule and the kind of its prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi
from typing import Any

import numpy as np

from latentlink.runtime.samplers.schedules.levels import FloatArray, NoiseLevels, float32_values
from latentlink.runtime.samplers.schedules.prediction import PREDICTIONS
from latentlink.runtime.samplers.schedules.refusal import refusal
from latentlink.runtime.samplers.schedules.schedule_fields import (
    FieldRange,
    check_fields,
    known_keys,
    own_sigmas,
    present_fields,
)
from latentlink.runtime.samplers.schedules.spacing import SPACINGS

FINAL_SIGMAS = ("zero", "sigma_min")

# Keys of a checkpoint's scheduler config that change nothing at these values, and are refused at any other.
_INERT: Mapping[str, object] = {"clip_sample": False, "thresholding": False, "variance_type": "fixed_small"}

_RANGES: Mapping[str, FieldRange] = {
    "num_train_timesteps": (int, 2, 100_000),
    "beta_start": (float, 1e-9, 0.999),
    "beta_end": (float, 1e-9, 0.999),
    "steps_offset": (int, 0, 1_000),
    "original_inference_steps": (int, 1, 100_000),
    "timestep_scaling": (float, 1e-6, 1e6),
    "set_alpha_to_one": (bool, 0, 1),
    "rescale_betas_zero_snr": (bool, 0, 1),
    "use_karras_sigmas": (bool, 0, 1),
    "use_exponential_sigmas": (bool, 0, 1),
    "use_beta_sigmas": (bool, 0, 1),
}


def _linear(start: float, end: float, count: int) -> FloatArray:
    """`count` (2 or more) equally spaced float32 numbers, from both ends with one rounding each, as torch does."""
    first, last = np.float32(start), np.float32(end)
    step = float((last - first) / np.float32(count - 1))
    index = np.arange(count)
    rising = float(first) + step * index
    falling = float(last) - step * (count - 1 - index)
    return float32_values(np.where(index < count // 2, rising, falling))


def _linear_betas(start: float, end: float, count: int) -> FloatArray:
    """Ho et al. 2020, section 4."""
    return _linear(start, end, count)


def _scaled_linear_betas(start: float, end: float, count: int) -> FloatArray:
    """Rombach et al. 2022: linear in the square root."""
    return float32_values(_linear(start**0.5, end**0.5, count) ** 2)


def _cosine_betas(start: float, end: float, count: int) -> FloatArray:
    """Nichol and Dhariwal 2021, eq. 17, with betas capped at 0.999; start and end are not used."""
    alpha_bar = [cos((i / count + 0.008) / 1.008 * pi / 2) ** 2 for i in range(count + 1)]
    return float32_values(np.array([min(1 - later / earlier, 0.999) for earlier, later in pairwise(alpha_bar)]))


BETAS = {
    "linear": _linear_betas,
    "scaled_linear": _scaled_linear_betas,
    "squaredcos_cap_v2": _cosine_betas,
}

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "beta_schedule": tuple(BETAS),
    "prediction_type": PREDICTIONS,
    "timestep_spacing": tuple(SPACINGS),
    "final_sigmas_type": FINAL_SIGMAS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSchedule:
    """The forward process, and the explicit settings of the checkpoint's scheduler config.

    Names and meanings are those of the scheduler configs of diffusers. None means that the config has no such setting:
    the default of the sampler in use applies.

    Attributes:
        num_train_timesteps: T; timesteps are 0 to T-1.
        beta_start: Variance added at t = 0, in (0, 1).
        beta_end: Variance added at t = T-1, in (0, 1).
        beta_schedule: A key of `BETAS`.
        prediction_type: Prediction of the model, see prediction.py.
        timestep_spacing: A key of `SPACINGS`.
        steps_offset: Number added to timesteps of "leading" spacing.
        set_alpha_to_one: Whether the last step of a discrete sampler ends at no noise, or at t = 0.
        rescale_betas_zero_snr: Whether the model was trained with zero terminal SNR (Lin et al. 2024).
        final_sigmas_type: Whether samplers in sigma end at 0 or at the sigma of t = 0.
        original_inference_steps: Steps of the schedule that a consistency model was distilled on.
        timestep_scaling: Scaling of timesteps in a consistency model's boundary condition.
        use_karras_sigmas: Whether "karras" is the checkpoint's own `sigmas`; at most one of the three is true.
        use_exponential_sigmas: Whether "exponential" is.
        use_beta_sigmas: Whether "beta" is.

    Raises:
        UsageError: A value has the wrong type or is out of range, or values contradict each other.
    """

    num_train_timesteps: int = 1000
    beta_start: float
    beta_end: float
    beta_schedule: str
    prediction_type: str = "epsilon"
    timestep_spacing: str | None = None
    steps_offset: int | None = None
    set_alpha_to_one: bool | None = None
    rescale_betas_zero_snr: bool | None = None
    final_sigmas_type: str | None = None
    original_inference_steps: int | None = None
    timestep_scaling: float | None = None
    use_karras_sigmas: bool | None = None
    use_exponential_sigmas: bool | None = None
    use_beta_sigmas: bool | None = None

    def __post_init__(self) -> None:
        check_fields(self, _OPTIONS, _RANGES)
        own_sigmas(self)
        if self.beta_start > self.beta_end:
            raise refusal(
                f"beta_start {self.beta_start} above beta_end {self.beta_end}",
                "noise that grows with the timestep",
                "Check the checkpoint's scheduler config.",
            )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainingSchedule:
        """Read what `to_json` wrote, or the same keys of a checkpoint's scheduler config.

        Raises:
            UsageError: A key is unknown or missing, a value has the wrong type or is out of range, or the config
                needs an update that depends on the picture.
        """
        kept = known_keys(cls, data, _INERT)
        missing = [key for key in ("beta_start", "beta_end", "beta_schedule") if key not in kept]
        if missing:
            raise refusal(
                f"a schedule without {', '.join(missing)}",
                "beta_start, beta_end and beta_schedule",
                "Copy them from the checkpoint's scheduler config.",
            )
        return cls(**kept)

    def to_json(self) -> dict[str, Any]:
        """The fields that are not None."""
        return present_fields(self)

    @property
    def sigmas(self) -> str | None:
        """The checkpoint's own kind of levels, a key of `SIGMAS`; None for those of the spaced timesteps."""
        return own_sigmas(self)

    def levels(self, zero_snr: str) -> NoiseLevels:
        """The noise level of every timestep.

        The table is float32, as in training and in every published implementation: the rounding of `1 - beta`
        moves the smallest sigma by 4e-5 of itself, so it is part of the schedule.

        Args:
            zero_snr: How the sampler treats a model with `rescale_betas_zero_snr`: "exact" (the last level is pure
                noise), "finite" (alpha_bar is 2**-24 there, so that sigma is finite), or "ignored".
        """
        betas = BETAS[self.beta_schedule](self.beta_start, self.beta_end, self.num_train_timesteps)
        rescaled = bool(self.rescale_betas_zero_snr) and zero_snr != "ignored"
        alpha_bar = _alpha_bar(_zero_terminal_snr(betas) if rescaled else betas)
        if rescaled and zero_snr == "finite":
            alpha_bar[-1] = 2.0**-24
        return NoiseLevels(alpha_bar=alpha_bar)


def _alpha_bar(betas: FloatArray) -> FloatArray:
    return float32_values(np.cumprod(float32_values(1 - betas), dtype=np.float64))


def _zero_terminal_snr(betas: FloatArray) -> FloatArray:
    """Lin et al. 2024, algorithm 1: shift and scale sqrt(alpha_bar) so that the last is 0 and the first stays."""
    root = float32_values(np.sqrt(_alpha_bar(betas)))
    first, last = root[:1], root[-1:]
    root = float32_values(float32_values(root - last) * float32_values(first / float32_values(first - last)))
    alpha_bar = float32_values(root**2)
    alphas = np.concatenate([alpha_bar[:1], float32_values(alpha_bar[1:] / alpha_bar[:-1])])
    return float32_values(1 - alphas)
