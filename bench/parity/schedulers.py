"""The scheduler of diffusers that equals each sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
"""By sampler, diffusers' class and the options with which it is that sampler."""

_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
FLOW_SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", _FLOW),
    "unipc": ("UniPCMultistepScheduler", _FLOW),
}
"""The same for models that predict flows."""


def scheduler_for(sampler: str, config: Mapping[str, Any]) -> Any:
    """The scheduler of diffusers that equals `sampler`, made from a checkpoint's scheduler config."""
    import diffusers

    if not str(config["_class_name"]).startswith("FlowMatch"):
        name, options = SCHEDULERS[sampler]
        return getattr(diffusers, name).from_config(config, **options)
    name, options = FLOW_SCHEDULERS[sampler]
    kind = getattr(diffusers, name)
    if sampler == "flow_euler":
        return kind.from_config(config)
    if "use_flow_sigmas" in options:
        options = {**options, "flow_shift": config["shift"]}
    return _for_flow_pipelines(kind).from_config(config, **options)


def _for_flow_pipelines(kind: Any) -> Any:
    """The scheduler class `kind` with FlowMatchEuler's interface of the two methods that flow pipelines call.

    Some pipelines pass noise levels and a shift even if the class does not accept them, and add noise to a picture with
    `scale_noise`, which only the FlowMatch classes have.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    makes_own_levels = not kind.__name__.startswith("FlowMatch")

    def set_timesteps(
        self: Any,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
    ) -> None:
        steps = num_inference_steps if sigmas is None else len(sigmas)
        if makes_own_levels:
            shift = {"mu": mu} if self.config.use_dynamic_shifting else {}
            kind.set_timesteps(self, steps, device=device, **shift)
            return
        kind.set_timesteps(self, steps, device=device)
        if sigmas is not None:
            # the class only shifts its own levels, statically: use FlowMatchEuler's, each but the first twice
            euler = FlowMatchEulerDiscreteScheduler.from_config(self.config)
            euler.set_timesteps(sigmas=sigmas, device=device, mu=mu)
            self.timesteps, self.sigmas = _twice(euler.timesteps), _twice(euler.sigmas[:-1], end=euler.sigmas[-1:])

    def scale_noise(self: Any, sample: Any, timestep: Any, noise: Any) -> Any:
        return (
            self.add_noise(sample, noise, timestep)
            if makes_own_levels
            else kind.scale_noise(self, sample, timestep, noise)
        )

    methods = {"set_timesteps": set_timesteps, "scale_noise": scale_noise}
    return type(kind.__name__, (kind,), methods)


def _twice(values: Any, end: Any = None) -> Any:
    import torch

    return torch.cat([values[:1], values[1:].repeat_interleave(2), *([] if end is None else [end])])
