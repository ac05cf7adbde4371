"""Guidance within an interval of noise levels in a pipeline of diffusers: the reference for ours.

Its loop is unchanged. Outside the interval the network runs only on the prompts' half of the batch, and its prediction
is used for both halves, so that `uncond + w * (cond - uncond)` is the prediction for the prompts.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class GuidanceWithin:
    """Applies a pipeline's guidance only where `low < sigma <= high`; a context manager that restores the pipeline.

    Args:
        pipeline: Pipeline of diffusers with guidance by halves of the batch.
        interval: (low, high), noise-to-signal ratios; None changes nothing.

    Attributes:
        calls: For every call of the network, whether guidance was applied.
    """

    def __init__(self, pipeline: Any, interval: tuple[float, float] | None) -> None:
        self._network = getattr(pipeline, "unet", None) or pipeline.transformer
        self._scheduler = pipeline.scheduler
        self._interval = interval
        self.calls: list[bool] = []

    def __enter__(self) -> GuidanceWithin:
        if self._interval is not None:
            self._network.forward = self._forward
        return self

    def __exit__(self, *reason: object) -> None:
        vars(self._network).pop("forward", None)

    def _forward(self, *positional: Any, **named: Any) -> Any:
        import torch

        whole = type(self._network).forward
        timestep = named["timestep"] if "timestep" in named else positional[1]
        low, high = self._interval or (0.0, np.inf)
        self.calls.append(low < self._sigma(float(timestep.flatten()[0])) <= high)
        if self.calls[-1]:
            return whole(self._network, *positional, **named)
        latent = named["hidden_states"] if "hidden_states" in named else positional[0]
        prompts = _second_half((positional, named), len(latent))
        found = whole(self._network, *prompts[0], **prompts[1])
        return tuple(torch.cat([one, one]) for one in found)

    def _sigma(self, timestep: float) -> float:
        """The noise level of a timestep, from the training schedule."""
        kept = getattr(self._scheduler, "alphas_cumprod", None)
        if str(self._scheduler.config.get("prediction_type", "")).startswith("flow") or kept is None:
            share = timestep / self._scheduler.config.num_train_timesteps
            return share / (1 - share) if share < 1 else np.inf
        alphas = kept.double().numpy()
        return float(np.interp(timestep, np.arange(len(alphas)), np.sqrt((1 - alphas) / alphas)))


def _second_half(arguments: Any, rows: int) -> Any:
    """The arguments, with the second half of every tensor that has `rows` rows."""
    import torch

    if isinstance(arguments, dict):
        return {name: _second_half(value, rows) for name, value in arguments.items()}
    if isinstance(arguments, tuple | list):
        return type(arguments)(_second_half(value, rows) for value in arguments)
    if isinstance(arguments, torch.Tensor) and arguments.ndim and len(arguments) == rows:
        return arguments[rows // 2 :]
    return arguments
