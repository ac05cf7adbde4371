"""Published scheduler configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

TRAINING: Config = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "trained_betas": None,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
    "skip_prk_steps": True,
}
"""Training schedule of every Stable Diffusion before 3."""

PNDM: Config = {"_class_name": "PNDMScheduler", **TRAINING}
PNDM_EPSILON: Config = {**PNDM, "prediction_type": "epsilon"}
DDIM_V: Config = {"_class_name": "DDIMScheduler", **TRAINING, "prediction_type": "v_prediction"}
EULER: Config = {
    "_class_name": "EulerDiscreteScheduler",
    **TRAINING,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "interpolation_type": "linear",
    "use_karras_sigmas": False,
    "sample_max_value": 1.0,
}
EULER_V: Config = {**EULER, "prediction_type": "v_prediction"}
EULER_TRAILING: Config = {**EULER, "timestep_spacing": "trailing"}
EULER_A_TRAILING: Config = {**EULER_TRAILING, "_class_name": "EulerAncestralDiscreteScheduler"}
LCM: Config = {
    "_class_name": "LCMScheduler",
    **TRAINING,
    "prediction_type": "epsilon",
    "original_inference_steps": 50,
    "timestep_scaling": 10.0,
    "rescale_betas_zero_snr": False,
    "thresholding": False,
}

FLOW: Config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
FLOW_SHIFT_3: Config = {**FLOW, "shift": 3.0}
FLOW_BY_LENGTH: Config = {
    **FLOW,
    "shift": 3.0,
    "use_dynamic_shifting": True,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "base_shift": 0.5,
    "max_shift": 1.15,
}
FLOW_UNSHIFTED: Config = {**FLOW_BY_LENGTH, "shift": 1.0, "use_dynamic_shifting": False}
