"""The settings that a guard names before it blames an engine: those that the model was not made for, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from latentlink.engine.bundle import Sampling
from latentlink.runtime.request import resolve
from latentlink.runtime.unusual_settings import unusual_settings

NOISE = Sampling(
    schedule={"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    sampler="ddim",
    steps=50,
    guidance=7.5,
    width=512,
    height=512,
    size_multiple=8,
    conditions={"original_size": ((512.0, 512.0), None), "crop": ((0.0, 0.0), None)},
)
FLOW = replace(NOISE, schedule={"prediction_type": "flow_prediction", "shift": 3.0}, sampler="flow_euler")
TURBO = replace(NOISE, steps=4, guidance=0.0, sampler="lcm")


def found(
    model: Sampling = NOISE, *, prompt: str = "a cat", guided: bool = True, weighted: bool = True, **options: Any
) -> dict[str, Any]:
    """The unusual settings of a request, and their values."""
    request, *_ = resolve(model, prompt, {"seed": 0, **options}, shallow=True)
    unusual = unusual_settings(request, model, request.table(), guided=guided, weighted=weighted)
    return {one.setting: one.value for one in unusual}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": 15, "sampler": "dpmpp_2m", "sigmas": "karras"},
        {"steps": 10, "sampler": "euler", "guidance": 10.0},
        {"steps": 25, "sampler": "euler_a", "spacing": "trailing", "guidance_interval": (0.28, 5.42)},
        {"guidance": 1.0},
        {"eta": 0.3},
        {"width": 768, "height": 512},
        {"steps": 20, "strength": 0.5},
        {"denoising_end": 0.8},
        {"prompt": "a ((red:1.2)) (cat:1.5)"},
        {"conditions": {"original_size": (1024, 1024), "crop": (256, 0)}},
    ],
)
def test_what_people_do_every_day_is_not_unusual(options: dict[str, Any]) -> None:
    assert found(**options) == {}


@pytest.mark.parametrize(
    ("options", "unusual"),
    [
        ({"guidance": 1000}, {"guidance": 1000.0}),
        ({"guidance": 11}, {"guidance": 11.0}),
        ({"steps": 3}, {"steps": 3}),
        ({"steps": 20, "strength": 0.2}, {"strength": 0.2}),
        ({"steps": 20, "denoising_start": 0.9}, {"denoising_start": 0.9}),
        ({"steps": 20, "denoising_end": 0.2}, {"denoising_end": 0.2}),
        ({"sampler": "lms", "steps": 20}, {"sampler": "lms"}),
        ({"sampler": "PLMS", "steps": 20}, {"sampler": "pndm"}),
        ({"sampler": "lcm", "steps": 25}, {"sampler": "lcm"}),
        ({"sampler": "dpmpp_2m", "sigmas": "beta", "steps": 15}, {"sigmas": "beta"}),
        ({"eta": 1.0}, {"eta": 1.0}),
        ({"width": 64, "height": 64}, {"width": 64, "height": 64}),
        ({"width": 2560}, {"width": 2560}),
        ({"step_cache": 5}, {"step_cache": 5}),
        ({"prompt": "a (cat:9.0)"}, {"prompt": 9.0}),
        ({"prompt": "a ((cat:2.0):1.5)"}, {"prompt": 3.0}),
        ({"negative_prompt": "(dog:4.0)"}, {"negative_prompt": 4.0}),
        ({"conditions": {"original_size": (99999, 0)}}, {"conditions.original_size": (99999.0, 0.0)}),
        ({"conditions": {"negative_crop": (-5000, 0)}}, {"conditions.negative_crop": (-5000.0, 0.0)}),
        ({"guidance": 60, "steps": 2}, {"guidance": 60.0, "steps": 2}),
    ],
)
def test_what_a_model_was_not_made_for_is_unusual(options: dict[str, Any], unusual: dict[str, Any]) -> None:
    assert found(**options) == unusual
    assert list(found(**options)) == list(unusual)


def test_a_shift_is_unusual_by_its_factor_to_the_models_own() -> None:
    assert found(FLOW, shift=2.0) == found(FLOW, shift=6.0) == {}
    assert found(FLOW, shift=7.0) == {"shift": 7.0}
    assert found(FLOW, shift=1.0) == {"shift": 1.0}


def test_few_steps_and_its_own_sampler_are_usual_for_a_distilled_model_and_guidance_is_not() -> None:
    assert found(TURBO) == {}
    assert found(TURBO, steps=2) == {"steps": 2}
    assert found(TURBO, guidance=5.0) == {"guidance": 5.0}


def test_settings_that_a_model_does_not_read_are_not_unusual() -> None:
    assert found(guidance=1000, guided=False) == {}
    assert found(prompt="a (cat:9.0)", weighted=False) == {}


def test_an_unusual_setting_says_what_is_usual() -> None:
    (request,) = resolve(NOISE, "a cat", {"guidance": 1000})
    (one,) = unusual_settings(request, NOISE, request.table(), guided=True, weighted=True)
    assert str(one) == "guidance 1000 (the model's own is 7.5)"
