"""Given a config that leaves keys out, when it is read, then they have the values of diffusers and transformers."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers

from latentlink.errors import CheckpointError
from latentlink.export.configs import with_defaults
from latentlink.export.parts import default_sampler, training_schedule
from latentlink.export.parts.solver import SOLVERS
from latentlink.runtime.samplers import TrainingSchedule, read_schedule, sampler_table

# Where a class's own default is refused.
NEEDED: dict[str, dict[str, Any]] = {
    "DDIMScheduler": {"clip_sample": False},
    "DDPMScheduler": {"clip_sample": False},
    "PNDMScheduler": {"skip_prk_steps": True},
}

# diffusers' own: numpy functions applied to tensors.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# A timestep between two levels depends on the rounding of float32 sigmas, 1e-7 of 1000.
TOLERANCE = 1e-4


@pytest.mark.parametrize("name", SOLVERS)
def test_a_scheduler_config_that_names_its_class_alone_is_sampled_as_by_the_class(name: str) -> None:
    needed = NEEDED.get(name, {})
    theirs = getattr(diffusers, name)(**needed)
    # the class computes its first level for the number of steps that was set last
    theirs.set_timesteps(8)
    config = {"_class_name": name, **needed}
    schedule = read_schedule(training_schedule(config))
    ours = sampler_table(default_sampler(config, "none"), schedule, steps=8)
    np.testing.assert_allclose(ours.rows[:, 0], theirs.timesteps.double().numpy(), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(ours.start_scale, float(getattr(theirs, "init_noise_sigma", 1)), rtol=1e-6)
    if isinstance(schedule, TrainingSchedule):
        np.testing.assert_allclose(schedule.levels("ignored").alpha_bar, theirs.alphas_cumprod.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"_class_name": "DDIMScheduler"}, "clip_sample True"),
        ({"_class_name": "DDPMScheduler"}, "clip_sample True"),
        ({"_class_name": "NoSuchScheduler"}, "states no beta_start, beta_end, beta_schedule"),
    ],
)
def test_a_default_that_no_sampler_follows_is_refused_as_if_it_were_stated(
    config: dict[str, Any], refused: str
) -> None:
    with pytest.raises(CheckpointError, match=refused):
        training_schedule(config)


@pytest.mark.parametrize("name", ["DDIMScheduler", "PNDMScheduler", "LCMScheduler"])
@pytest.mark.parametrize("value", [None, False, True])
def test_a_null_in_place_of_true_or_false_is_false(name: str, value: bool | None) -> None:
    config = {"_class_name": name, **NEEDED.get(name, {}), "set_alpha_to_one": value}
    theirs = getattr(diffusers, name).from_config(config)
    ours = training_schedule(config)["set_alpha_to_one"]
    assert (1.0 if ours else theirs.alphas_cumprod[0]) == theirs.final_alpha_cumprod


def test_keys_that_a_saved_config_marks_as_defaults_count_as_left_out() -> None:
    stated = {"_class_name": "DDIMScheduler", "steps_offset": 1, "_use_default_values": ["steps_offset"]}
    assert with_defaults("DDIMScheduler", stated)["steps_offset"] == 0
    assert diffusers.DDIMScheduler.from_config(stated).config.steps_offset == 0


@pytest.mark.parametrize("name", ["UNet2DConditionModel", "AutoencoderKL", "FluxTransformer2DModel"])
def test_a_networks_defaults_are_those_of_its_class(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(diffusers, name)().config
    ours = with_defaults(name, {})
    assert ours == {
        key: list(value) if isinstance(value, tuple) else value for key, value in theirs.items() if key in ours
    }


@pytest.mark.parametrize("name", ["CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel"])
def test_a_text_encoders_defaults_are_those_of_its_config(name: str) -> None:
    theirs = getattr(transformers, name).config_class()
    ours = with_defaults(name, {})
    assert {key: getattr(theirs, key) for key in ("vocab_size", "hidden_size")} == {
        "vocab_size": ours["vocab_size"],
        "hidden_size": ours.get("hidden_size", ours.get("d_model")),
    }


def test_a_whole_clips_config_is_its_text_encoders() -> None:
    stated = {"model_type": "clip", "text_config": {"hidden_size": 40}, "projection_dim": 7}
    found = with_defaults("CLIPTextModel", stated)
    assert (found["hidden_size"], found["num_hidden_layers"], found["projection_dim"]) == (40, 12, 512)
