"""Schedule of a flow-matching model: the spacing of its noise levels, and how it depends on the picture's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

from latentlink.runtime.samplers.schedules.prediction import FLOW
from latentlink.runtime.samplers.schedules.refusal import refusal
from latentlink.runtime.samplers.schedules.schedule_fields import (
    FieldRange,
    check_fields,
    known_keys,
    own_sigmas,
    present_fields,
)

# Keys of a checkpoint's scheduler config that change nothing at these values, and are refused at any other.
_INERT: Mapping[str, object] = {"invert_sigmas": False, "stochastic_sampling": False, "final_sigmas_type": "zero"}

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "prediction_type": (FLOW,),
    "time_shift_type": ("exponential", "linear"),
    "sigma_grid": ("training", "uniform"),
}

_RANGES: Mapping[str, FieldRange] = {
    "num_train_timesteps": (int, 2, 100_000),
    "shift": (float, 1e-3, 1e3),
    "use_dynamic_shifting": (bool, 0, 1),
    "base_shift": (float, -10, 10),
    "max_shift": (float, -10, 10),
    "base_image_seq_len": (int, 1, 10_000_000),
    "max_image_seq_len": (int, 1, 10_000_000),
    "token_side": (int, 1, 4096),
    "shift_terminal": (float, 1e-6, 0.999),
    "use_karras_sigmas": (bool, 0, 1),
    "use_exponential_sigmas": (bool, 0, 1),
    "use_beta_sigmas": (bool, 0, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSchedule:
    """x at level sigma is `(1 - sigma)*x0 + sigma*eps`, and the model reads `t = sigma*T`.

    Names and meanings are those of the scheduler configs of diffusers, apart from the last two.

    Attributes:
        num_train_timesteps: T; timesteps are above 0 and at most T, and need not be whole.
        prediction_type: "flow_prediction", eps - x0.
        shift: s of `sigma' = s*sigma / (1 + (s - 1)*sigma)`, which moves levels towards noise where it is above 1
            (Esser et al. 2024, eq. 23).
        use_dynamic_shifting: Whether s depends on the number of tokens instead.
        base_shift: mu at `base_image_seq_len` tokens, from which it is linear to `max_shift`.
        max_shift: mu at `max_image_seq_len` tokens.
        base_image_seq_len: Tokens.
        max_image_seq_len: Tokens.
        time_shift_type: "exponential" (s is exp(mu)) or "linear" (s is mu).
        shift_terminal: The last level above 0, to which shifted levels are stretched; None for no stretching.
        use_karras_sigmas: Whether "karras" is the checkpoint's own `sigmas`; at most one of the three is true.
        use_exponential_sigmas: Whether "exponential" is.
        use_beta_sigmas: Whether "beta" is.
        sigma_grid: Levels before shifting, highest 1: "training" (evenly down to the lowest of training) or "uniform"
            (evenly down to 1/steps).
        token_side: Pixels along one side of the denoiser's token; None where nothing depends on the picture's size.

    Raises:
        UsageError: A value has the wrong type or is out of range, or values contradict each other.
    """

    num_train_timesteps: int = 1000
    prediction_type: str = FLOW
    shift: float = 1.0
    use_dynamic_shifting: bool = False
    base_shift: float = 0.5
    max_shift: float = 1.15
    base_image_seq_len: int = 256
    max_image_seq_len: int = 4096
    time_shift_type: str = "exponential"
    shift_terminal: float | None = None
    use_karras_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_beta_sigmas: bool = False
    sigma_grid: str = "training"
    token_side: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, _OPTIONS, _RANGES)
        own_sigmas(self)
        if self.use_dynamic_shifting and self.base_image_seq_len >= self.max_image_seq_len:
            raise refusal(
                f"base_image_seq_len {self.base_image_seq_len} with max_image_seq_len {self.max_image_seq_len}",
                "the base below the maximum",
                "Check the checkpoint's scheduler config.",
            )
        if self.use_dynamic_shifting and self.token_side is None:
            raise refusal(
                "use_dynamic_shifting without token_side",
                "the pixels along one side of the denoiser's token",
                "Export the model again, or add token_side to the manifest's schedule.",
            )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FlowSchedule:
        """Read what `to_json` wrote, or the same keys of a checkpoint's scheduler config.

        Raises:
            UsageError: A key is unknown, a value has the wrong type or is out of range, or the config needs an update
                that no sampler here has.
        """
        return cls(**known_keys(cls, data, _INERT))

    def to_json(self) -> dict[str, Any]:
        """The fields that are not None."""
        return present_fields(self)

    @property
    def sigmas(self) -> str | None:
        """The checkpoint's own kind of levels, a key of `SIGMAS`; None for evenly spaced ones."""
        return own_sigmas(self)

    def dynamic_shift(self, width: int | None, height: int | None) -> float:
        """s for a picture of this size (Esser et al. 2024, section 5.3.2, made linear in the tokens).

        Args:
            width: In pixels, positive.
            height: In pixels, positive.

        Raises:
            UsageError: The size is missing, or s is not positive.
        """
        side = self.token_side
        if width is None or height is None or side is None:
            raise refusal(
                "no width and height with a model whose levels depend on the picture's size",
                "both in pixels",
                "Pass width and height, or a shift.",
            )
        slope = (self.max_shift - self.base_shift) / (self.max_image_seq_len - self.base_image_seq_len)
        mu = (width // side) * (height // side) * slope + (self.base_shift - slope * self.base_image_seq_len)
        if self.time_shift_type == "exponential":
            return exp(mu)
        if mu <= 0:
            raise refusal(
                f"{width} x {height} pixels, for which the shift is {mu:.3g}", "a positive shift", "Pass one."
            )
        return mu
