"""The schedule a denoiser was trained with, read from the checkpoint's scheduler config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.errors import CheckpointError

FLOW = "flow_prediction"

# What the samplers read. A key that the config leaves out stays out: diffusers then takes the default of
# whichever scheduler class is used, and so do the samplers.
KEYS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "prediction_type",
    "timestep_spacing",
    "steps_offset",
    "set_alpha_to_one",
    "rescale_betas_zero_snr",
    "final_sigmas_type",
    "original_inference_steps",
    "timestep_scaling",
)

# The same of a model that predicts flows. Recipes add what only the pipeline knows: token_side and sigma_grid.
FLOW_KEYS = (
    "num_train_timesteps",
    "shift",
    "use_dynamic_shifting",
    "base_shift",
    "max_shift",
    "base_image_seq_len",
    "max_image_seq_len",
    "time_shift_type",
    "shift_terminal",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
)

# Classes that know no other prediction, and therefore do not say it in their config.
FLOW_SAMPLERS = {
    "FlowMatchEulerDiscreteScheduler": "flow_euler",
    "FlowMatchHeunDiscreteScheduler": "flow_heun",
}

# The sampler that a checkpoint's own scheduler class is.
SAMPLERS = {
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "DEISMultistepScheduler": "deis",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "DPMSolverSinglestepScheduler": "dpmpp_2s",
    "EulerAncestralDiscreteScheduler": "euler_a",
    "EulerDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "dpm2",
    "LCMScheduler": "lcm",
    "LMSDiscreteScheduler": "lms",
    "PNDMScheduler": "pndm",
    "TCDScheduler": "tcd",
    "UniPCMultistepScheduler": "unipc",
    **FLOW_SAMPLERS,
}

# What no table of coefficients has, and why.
REFUSED = {
    "clip_sample": "which depends on the picture",
    "thresholding": "which depends on the picture",
    "invert_sigmas": "which no sampler does",
    "stochastic_sampling": "which no sampler does",
}

# Levels that do not follow from the rest of the config.
OTHER_LEVELS = ("trained_betas", "sigma_min", "sigma_max")


def training_schedule(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schedule` of the manifest: what the samplers read of a scheduler config.

    Args:
        config: `scheduler_config.json`.

    Returns:
        The keys of `KEYS` that the config states, or those of `FLOW_KEYS` with a `prediction_type` of
        "flow_prediction".

    Raises:
        CheckpointError: The config asks for something that depends on the data, or that no sampler does.
    """
    for key, why in REFUSED.items():
        if config.get(key):
            raise CheckpointError(
                f"The checkpoint's scheduler sets {key}, {why}; "
                "expected an update with coefficients known before sampling.",
                remedy=f"Set {key} to false in scheduler/scheduler_config.json if the model was not trained with it.",
            )
    for key in OTHER_LEVELS:
        if config.get(key) is not None:
            raise CheckpointError(
                f"The checkpoint's scheduler has {key} of its own; expected levels that follow from beta_start, "
                "beta_end and beta_schedule, or from shift."
            )
    if not _predicts_flow(config):
        return {key: config[key] for key in KEYS if config.get(key) is not None}
    # Classes that are made for other models too say "flow_shift".
    stated = {**config, "shift": config.get("flow_shift", config.get("shift"))}
    return {"prediction_type": FLOW, **{key: stated[key] for key in FLOW_KEYS if stated.get(key) is not None}}


def default_sampler(config: Mapping[str, Any], otherwise: str) -> str:
    """The sampler that the scheduler's class is, or `otherwise` where no sampler is that class."""
    return SAMPLERS.get(str(config.get("_class_name")), otherwise)


def _predicts_flow(config: Mapping[str, Any]) -> bool:
    return config.get("prediction_type") == FLOW or config.get("_class_name") in FLOW_SAMPLERS
