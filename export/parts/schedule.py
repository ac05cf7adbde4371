"""The schedule a denoiser was trained with, read from the checkpoint's scheduler config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.parts.solver import solver

FLOW = "flow_prediction"

# Keys that the samplers read. A key that the config leaves out stays out: diffusers then uses the default of the
# scheduler's class, and so do the samplers.
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
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
)

# The same for models that predict flows. Recipes add token_side and sigma_grid, which only the pipeline knows.
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

# Classes that only predict flows, and therefore do not state it in their config.
FLOW_CLASSES = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")

# Settings that a table of coefficients cannot express, and why.
REFUSED = {
    "clip_sample": "which depends on the picture",
    "thresholding": "which depends on the picture",
    "invert_sigmas": "which no sampler does",
    "stochastic_sampling": "which no sampler does",
}

# Noise levels that do not follow from the rest of the config.
OTHER_LEVELS = ("trained_betas", "sigma_min", "sigma_max")


def training_schedule(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest's `schedule`: the part of a scheduler config that samplers read.

    Args:
        config: `scheduler_config.json`.

    Returns:
        The keys of `KEYS` that the config states, or those of `FLOW_KEYS` with a `prediction_type` of
        "flow_prediction".

    Raises:
        CheckpointError: The config sets something that depends on the data, or that no sampler supports.
    """
    kind = str(config.get("_class_name"))
    if kind.startswith("EDM"):
        raise CheckpointError(
            f"The checkpoint's scheduler is {kind}, which preconditions the network's input and output by sigma_data; "
            "expected a model that predicts epsilon, v, the picture or a flow.",
            remedy="No sampler supports such a model.",
        )
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
                f"The checkpoint's scheduler sets {key}; expected noise levels that follow from beta_start, "
                "beta_end and beta_schedule, or from shift."
            )
    if not _predicts_flow(config):
        if config.get("use_flow_sigmas"):
            raise CheckpointError(
                "The checkpoint's scheduler sets use_flow_sigmas with prediction_type "
                f"{config.get('prediction_type', 'epsilon')!r}; expected levels of flows with {FLOW!r} alone.",
                remedy="Correct scheduler/scheduler_config.json.",
            )
        return {key: config[key] for key in KEYS if config.get(key) is not None}
    # Classes that also support other models name it "flow_shift".
    stated = {**config, "shift": config.get("flow_shift", config.get("shift"))}
    return {"prediction_type": FLOW, **{key: stated[key] for key in FLOW_KEYS if stated.get(key) is not None}}


def default_sampler(config: Mapping[str, Any], otherwise: str) -> str:
    """The sampler that equals the scheduler, or `otherwise` if none equals its class.

    Raises:
        CheckpointError: A sampler equals the class, but not with these settings.
    """
    return solver(config, flow=_predicts_flow(config)) or otherwise


def replaced_scheduler_note(config: Mapping[str, Any], chosen: str) -> str | None:
    """Note that `chosen` replaces a scheduler that no sampler equals; None if one equals it."""
    if solver(config, flow=_predicts_flow(config)) is not None:
        return None
    kind = config.get("_class_name") or "scheduler without a class"
    return f"the checkpoint's {kind} is no sampler here; {chosen} is the default"


def _predicts_flow(config: Mapping[str, Any]) -> bool:
    return config.get("prediction_type") == FLOW or config.get("_class_name") in FLOW_CLASSES
