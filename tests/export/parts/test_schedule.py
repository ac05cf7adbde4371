"""Given a published scheduler config, when it is read, then the runtime understands what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.parts import default_sampler, replaced_scheduler_note, training_schedule
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


@pytest.mark.parametrize(
    ("config", "shift"),
    [
        ({**SD3, "flow_shift": 5.0}, 3.0),
        ({**SANA, "shift": 5.0}, 3.0),
        ({key: value for key, value in SANA.items() if key != "flow_shift"} | {"shift": 5.0}, None),
    ],
)
def test_a_shift_is_read_under_the_name_that_the_class_has_for_it(config: dict[str, Any], shift: float | None) -> None:
    assert training_schedule(config).get("shift") == shift


DPM = {key: value for key, value in SD15.items() if key != "skip_prk_steps"} | {
    "_class_name": "DPMSolverMultistepScheduler"
}


def test_a_class_that_no_sampler_is_has_the_familys_sampler_and_says_so() -> None:
    config = {"_class_name": "KDPM2AncestralDiscreteScheduler"}
    assert default_sampler(config, "pndm") == "pndm"
    assert replaced_scheduler_note(config, "pndm") == (
        "the checkpoint's KDPM2AncestralDiscreteScheduler is no sampler here; pndm is the default"
    )
    assert default_sampler({}, "euler") == "euler"
    assert replaced_scheduler_note(SD15, "pndm") is None


def test_a_sampler_of_noise_schedules_alone_is_none_for_flows() -> None:
    config = {**SANA, "_class_name": "DEISMultistepScheduler"}
    assert default_sampler(config, "flow_euler") == "flow_euler"
    assert default_sampler({**DPM, "_class_name": "DEISMultistepScheduler"}, "euler") == "deis"


@pytest.mark.parametrize("kind", ["karras", "exponential", "beta"])
def test_a_checkpoints_own_kind_of_levels_is_kept(kind: str) -> None:
    schedule = read_schedule(training_schedule({**DPM, f"use_{kind}_sigmas": True}))
    assert schedule.sigmas == kind


def test_the_stochastic_algorithm_is_the_stochastic_sampler() -> None:
    assert default_sampler({**DPM, "algorithm_type": "sde-dpmsolver++"}, "none") == "dpmpp_2m_sde"
    assert default_sampler({**DPM, "algorithm_type": "dpmsolver++"}, "none") == "dpmpp_2m"


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({**DPM, "solver_order": 3}, "solver_order 3"),
        ({**DPM, "solver_type": "heun"}, "solver_type 'heun'"),
        ({**DPM, "algorithm_type": "dpmsolver"}, "algorithm_type 'dpmsolver'"),
        ({**DPM, "variance_type": "learned_range"}, "variance_type 'learned_range'"),
        ({**DPM, "use_lu_lambdas": True}, "use_lu_lambdas True"),
        ({**DPM, "final_sigmas_type": "sigma_min", "euler_at_final": True}, "euler_at_final True"),
        ({**SANA, "algorithm_type": "sde-dpmsolver++"}, "algorithm_type 'sde-dpmsolver"),
        ({**SANA, "use_flow_sigmas": False}, "use_flow_sigmas False"),
        ({**SANA, "use_karras_sigmas": True}, "use_karras_sigmas True"),
        ({**SANA, "_class_name": "UniPCMultistepScheduler", "use_beta_sigmas": True}, "use_beta_sigmas True"),
        ({**SANA, "final_sigmas_type": "sigma_min"}, "final_sigmas_type 'sigma_min'"),
        ({**SANA, "use_dynamic_shifting": True, "time_shift_type": "linear"}, "time_shift_type 'linear'"),
        ({**FLUX, "_class_name": "FlowMatchHeunDiscreteScheduler"}, "use_dynamic_shifting True"),
        ({**SD3, "_class_name": "FlowMatchHeunDiscreteScheduler", "shift_terminal": 0.02}, "shift_terminal 0.02"),
        ({"_class_name": "DEISMultistepScheduler", "solver_type": "other"}, "solver_type 'other'"),
        ({**SD15, "skip_prk_steps": False}, "skip_prk_steps False"),
        ({"_class_name": "PNDMScheduler"}, "skip_prk_steps False"),
        ({"_class_name": "UniPCMultistepScheduler", "predict_x0": False}, "predict_x0 False"),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}, "timestep_type 'continuous'"),
        ({"_class_name": "DDPMScheduler", "variance_type": "fixed_large"}, "variance_type 'fixed_large'"),
    ],
)
def test_a_setting_that_no_sampler_computes_is_refused_with_its_value(config: dict[str, Any], setting: str) -> None:
    with pytest.raises(CheckpointError, match=f"has {setting}.*expected .*scheduler_config.json"):
        default_sampler(config, "none")


@pytest.mark.parametrize(
    "settings",
    [
        {"euler_at_final": True},  # at zero the last step is of first order anyway
        {"solver_type": "bh2", "algorithm_type": "deis"},  # other classes' names for the defaults
        {"variance_type": "fixed_small"},
        {"skip_prk_steps": False},  # another class's setting
    ],
)
def test_a_setting_that_changes_nothing_is_not_refused(settings: dict[str, Any]) -> None:
    assert default_sampler({**DPM, **settings}, "none") == "dpmpp_2m"


def test_preconditioned_models_are_refused_with_the_reason() -> None:
    with pytest.raises(CheckpointError, match=r"EDMDPMSolverMultistepScheduler, which preconditions .* sigma_data"):
        training_schedule({"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_data": 0.5, "sigma_max": 80.0})


def test_levels_of_flows_for_another_prediction_are_refused() -> None:
    with pytest.raises(CheckpointError, match="use_flow_sigmas with prediction_type 'epsilon'"):
        training_schedule({**DPM, "use_flow_sigmas": True})


@pytest.mark.parametrize("key", ["clip_sample", "thresholding", "invert_sigmas", "stochastic_sampling"])
def test_what_no_table_has_is_refused_by_name(key: str) -> None:
    with pytest.raises(CheckpointError, match=key):
        training_schedule({**SD3, key: True})


@pytest.mark.parametrize(("key", "value"), [("trained_betas", [0.1, 0.2]), ("sigma_max", 80.0), ("sigma_min", 0.002)])
def test_levels_of_a_schedulers_own_are_refused(key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=key):
        training_schedule({**SD15, key: value})
