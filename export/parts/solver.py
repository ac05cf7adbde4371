"""The sampler that equals a checkpoint's scheduler: by its class, and the settings that change its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.configs import OFF, with_defaults

Allowed = Mapping[str, tuple[object, ...]]
"""By setting, the values with which the sampler computes the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRow:
    """The sampler that equals a scheduler class of diffusers.

    Args:
        sampler: Name of the sampler.
        allowed: Allowed values of settings that change the update.
        at_sigma_min: More of `allowed` if `final_sigmas_type` is "sigma_min"; ending at zero overrides these settings.
        at_flows: More of `allowed` for models that predict flows.
        algorithms: Other samplers that it equals, by `algorithm_type`, with a noise schedule.
        flow: Whether the sampler supports flow models.
        noise: Whether the sampler supports models with a noise schedule.
    """

    sampler: str
    allowed: Allowed = field(default_factory=dict)
    at_sigma_min: Allowed = field(default_factory=dict)
    at_flows: Allowed = field(default_factory=dict)
    algorithms: Mapping[str, str] = field(default_factory=dict)
    flow: bool = False
    noise: bool = True


# The classes map each other's values to their own defaults.
_MIDPOINT = ("midpoint", "logrho", "bh1", "bh2")
_NOT_LEARNED = (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")
_DPM: Allowed = {
    "solver_order": (2,),
    "solver_type": _MIDPOINT,
    "lambda_min_clipped": (-inf,),
    "variance_type": _NOT_LEARNED,
}
# Classes for both kinds of model have levels of flows only if told so, and no others then.
_OWN_LEVELS: Allowed = dict.fromkeys(("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"), OFF)
_FLOW_LEVELS: Allowed = {"use_flow_sigmas": (True,), "final_sigmas_type": ("zero",), **_OWN_LEVELS}

SOLVERS: Mapping[str, SchedulerRow] = {
    "DDIMScheduler": SchedulerRow(sampler="ddim"),
    "DDPMScheduler": SchedulerRow(sampler="ddpm", allowed={"variance_type": ("fixed_small", "fixed_small_log")}),
    "DEISMultistepScheduler": SchedulerRow(
        sampler="deis",
        allowed={
            "solver_order": (2,),
            "algorithm_type": ("deis", "dpmsolver", "dpmsolver++"),
            "solver_type": ("logrho", "midpoint", "heun", "bh1", "bh2"),
            "lower_order_final": (True,),
        },
    ),
    "DPMSolverMultistepScheduler": SchedulerRow(
        sampler="dpmpp_2m",
        allowed={**_DPM, "algorithm_type": ("dpmsolver++", "deis"), "use_lu_lambdas": (False,)},
        at_sigma_min={"lower_order_final": (True,), "euler_at_final": (False,)},
        at_flows={**_FLOW_LEVELS, "time_shift_type": ("exponential",)},
        algorithms={"sde-dpmsolver++": "dpmpp_2m_sde"},
        flow=True,
    ),
    "DPMSolverSinglestepScheduler": SchedulerRow(
        sampler="dpmpp_2s",
        allowed={**_DPM, "algorithm_type": ("dpmsolver++", "deis")},
        at_sigma_min={"lower_order_final": (False,)},
    ),
    "EulerAncestralDiscreteScheduler": SchedulerRow(sampler="euler_a"),
    "EulerDiscreteScheduler": SchedulerRow(
        sampler="euler", allowed={"timestep_type": ("discrete",), "interpolation_type": ("linear",)}
    ),
    "FlowMatchEulerDiscreteScheduler": SchedulerRow(sampler="flow_euler", flow=True, noise=False),
    # It has a static shift and nothing else, which the sampler would follow.
    "FlowMatchHeunDiscreteScheduler": SchedulerRow(
        sampler="flow_heun",
        at_flows={"use_dynamic_shifting": OFF, "shift_terminal": (None,), **_OWN_LEVELS},
        flow=True,
        noise=False,
    ),
    "HeunDiscreteScheduler": SchedulerRow(sampler="heun"),
    "KDPM2DiscreteScheduler": SchedulerRow(sampler="dpm2"),
    "LCMScheduler": SchedulerRow(sampler="lcm"),
    "LMSDiscreteScheduler": SchedulerRow(sampler="lms"),
    "PNDMScheduler": SchedulerRow(sampler="pndm", allowed={"skip_prk_steps": (True,)}),
    "TCDScheduler": SchedulerRow(sampler="tcd"),
    "UniPCMultistepScheduler": SchedulerRow(
        sampler="unipc",
        allowed={
            "solver_order": (2,),
            "solver_type": ("bh2", "midpoint", "heun", "logrho"),
            "predict_x0": (True,),
            "lower_order_final": (True,),
            "disable_corrector": ([],),
            "solver_p": (None,),
        },
        at_flows=_FLOW_LEVELS,
        flow=True,
    ),
}


def solver(config: Mapping[str, Any], *, flow: bool) -> str | None:
    """The sampler that equals a checkpoint's scheduler; None if no sampler equals its class.

    Args:
        config: `scheduler_config.json`.
        flow: Whether the model predicts flows.

    Raises:
        CheckpointError: A sampler equals the class, but not with this setting.
    """
    kind = str(config.get("_class_name"))
    found = SOLVERS.get(kind)
    if found is None or not (found.flow if flow else found.noise):
        return None
    sampler, allowed = found.sampler, dict(found.allowed)
    settings = with_defaults(kind, config)
    if flow:
        allowed |= found.at_flows
    elif settings.get("final_sigmas_type") == "sigma_min":
        allowed |= found.at_sigma_min
    if not flow and settings.get("algorithm_type") in found.algorithms:
        sampler = found.algorithms[settings["algorithm_type"]]
        del allowed["algorithm_type"]
    for key, values in allowed.items():
        value = settings.get(key)
        if value not in values:
            raise CheckpointError(
                f"The checkpoint's {kind} has {key} {value!r}, which sampler {sampler!r} does not compute; "
                f"expected {' or '.join(repr(value) for value in values)}.",
                remedy="Correct scheduler/scheduler_config.json, or put another scheduler there.",
            )
    return sampler
