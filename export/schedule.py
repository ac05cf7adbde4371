"""The noise schedule a denoiser was trained with, read from the checkpoint's scheduler config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoint import Checkpoint

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
}

# Data-dependent updates: no table of coefficients can express them.
REFUSED = {"clip_sample": True, "thresholding": True}


def training_schedule(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """`schedule` of the manifest: the keys of `KEYS` that the scheduler config states.

    Raises:
        CheckpointError: The config is missing, or asks for something that depends on the data.
    """
    config = checkpoint.config("scheduler")
    for key, value in REFUSED.items():
        if config.get(key) == value:
            raise CheckpointError(
                f"The checkpoint's scheduler sets {key}, which depends on the picture; "
                "expected an update with coefficients known before sampling.",
                remedy=f"Set {key} to false in scheduler/scheduler_config.json if the model was not trained with it.",
            )
    if config.get("trained_betas") is not None:
        raise CheckpointError(
            "The checkpoint's scheduler lists trained_betas; expected beta_start, beta_end and beta_schedule."
        )
    return {key: config[key] for key in KEYS if config.get(key) is not None}


def default_sampler(checkpoint: Checkpoint, otherwise: str) -> str:
    """The sampler that the checkpoint's scheduler class is, or `otherwise` where no sampler is that class."""
    return SAMPLERS.get(str(checkpoint.config("scheduler").get("_class_name")), otherwise)
