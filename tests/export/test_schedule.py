"""Given a published scheduler config, when it is read, then the runtime understands what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.schedule import default_sampler, training_schedule
from latentlink.runtime.samplers import read_schedule, samplers_for

SD15 = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
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
SD3 = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
FLUX = {
    **SD3,
    "base_image_seq_len": 256,
    "base_shift": 0.5,
    "max_image_seq_len": 4096,
    "max_shift": 1.15,
    "use_dynamic_shifting": True,
    "invert_sigmas": False,
    "stochastic_sampling": False,
    "shift_terminal": None,
}
SANA = {
    **SD15,
    "_class_name": "DPMSolverMultistepScheduler",
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "flow_shift": 3.0,
    "final_sigmas_type": "zero",
}


@pytest.mark.parametrize(
    ("config", "sampler"), [(SD15, "pndm"), (SD3, "flow_euler"), (FLUX, "flow_euler"), (SANA, "dpmpp_2m")]
)
def test_the_schedule_fits_the_sampler_that_its_class_is(config: dict[str, Any], sampler: str) -> None:
    assert default_sampler(config, "none") == sampler
    schedule = read_schedule({**training_schedule(config), **({"token_side": 16} if config is FLUX else {})})
    assert sampler in samplers_for(schedule)


def test_a_flow_shift_is_the_shift_and_betas_are_left_out() -> None:
    assert training_schedule(SANA) == {
        "prediction_type": "flow_prediction",
        "num_train_timesteps": 1000,
        "shift": 3.0,
    }


def test_a_class_that_no_sampler_is_has_the_familys_sampler() -> None:
    assert default_sampler({"_class_name": "VQDiffusionScheduler"}, "euler") == "euler"
    assert default_sampler({}, "euler") == "euler"


@pytest.mark.parametrize("key", ["clip_sample", "thresholding", "invert_sigmas", "stochastic_sampling"])
def test_what_no_table_has_is_refused_by_name(key: str) -> None:
    with pytest.raises(CheckpointError, match=key):
        training_schedule({**SD3, key: True})


@pytest.mark.parametrize(("key", "value"), [("trained_betas", [0.1, 0.2]), ("sigma_max", 80.0), ("sigma_min", 0.002)])
def test_levels_of_a_schedulers_own_are_refused(key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=key):
        training_schedule({**SD15, key: value})
