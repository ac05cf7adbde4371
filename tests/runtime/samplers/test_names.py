"""The names of AUTOMATIC1111, ComfyUI and diffusers: each means one sampler here, or is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentlink.errors import UsageError
from latentlink.runtime.samplers import FLOW_SAMPLERS, SAMPLERS, own_names, read_schedule, sampler_table
from latentlink.runtime.samplers.names import Names
from latentlink.runtime.samplers.schedules.web_schedules import WEB_SCHEDULES

SD15 = read_schedule(
    {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }
)
SD3 = read_schedule({"prediction_type": "flow_prediction", "shift": 3.0})


def names(sampler: Any, **given: Any) -> Names:
    return own_names(SD15, **{"sampler": sampler, "steps": 20, **given})


@pytest.mark.parametrize(
    ("given", "own", "sigmas"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m", "karras"),
        ("DPM++2M", "dpmpp_2m", None),
        ("dpm++2m", "dpmpp_2m", None),
        ("dpmpp_2m", "dpmpp_2m", None),
        ("k_dpmpp_2m", "dpmpp_2m", None),
        ("sample_dpmpp_2m", "dpmpp_2m", None),
        ("DPMSolverMultistepScheduler", "dpmpp_2m", None),
        ("DPMSolverMultistep", "dpmpp_2m", None),
        ("DPM++ 2M SDE Karras", "dpmpp_2m_sde", "karras"),
        ("DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential"),
        ("DPMSolverSinglestepScheduler", "dpmpp_2s", None),
        ("Euler", "euler", None),
        ("k_euler", "euler", None),
        ("Euler a", "euler_a", None),
        ("euler_ancestral", "euler_a", None),
        ("EulerAncestralDiscreteScheduler", "euler_a", None),
        ("DPM2 Karras", "dpm2", "karras"),
        ("dpm_2", "dpm2", None),
        ("KDPM2DiscreteScheduler", "dpm2", None),
        ("LMS Karras", "lms", "karras"),
        ("Heun Beta", "heun", "beta"),
        ("PLMS", "pndm", None),
        ("UniPC", "unipc", None),
        ("uni_pc_bh2", "unipc", None),
        (" ddim ", "ddim", None),
    ],
)
def test_a_name_of_the_field_is_the_sampler_that_it_means(given: str, own: str, sigmas: str | None) -> None:
    assert names(given) == Names(sampler=own, spacing=None, sigmas=sigmas)


def test_every_class_of_diffusers_that_a_sampler_equals_is_a_name_of_it() -> None:
    for training, registry in ((SD15, SAMPLERS), (SD3, FLOW_SAMPLERS)):
        for name, sampler in registry.items():
            own = own_names(training, sampler=sampler.diffusers, steps=20).sampler
            assert registry[own].diffusers == sampler.diffusers
            assert own_names(training, sampler=name, steps=20).sampler == name


@pytest.mark.parametrize("given", ["euler", "Euler", "k_euler", "FlowMatchEulerDiscreteScheduler", "flow_euler"])
def test_euler_of_a_flow_matching_model_is_eulers_method_on_the_flow(given: str) -> None:
    assert own_names(SD3, sampler=given, steps=20).sampler == "flow_euler"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("DPM++ 2MM", "Did you mean 'dpmpp_2m'"),
        ("DDIM Karras", "ddim has no karras sigmas"),
        ("DPM++ 3M SDE Karras", "Did you mean 'dpmpp_2m_sde'"),
        ("eulr", "Did you mean 'euler'"),
        ("zzzz", "expected one of ddim, ddpm"),
        ("ddim_uniform", "Give 'ddim_uniform' as spacing"),
        ("", "sampler ''"),
        (7, "sampler 7"),
        ([], r"sampler \[\]"),
    ],
)
def test_another_name_is_refused_with_the_nearest_one(given: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        names(given)


@pytest.mark.parametrize("given", ["DPM++ SDE Karras", "DPM adaptive"])
def test_a_sampler_that_depends_on_the_data_is_refused_for_that_reason_under_any_name(given: str) -> None:
    with pytest.raises(UsageError, match="which is not supported: "):
        sampler_table(names(given).sampler, SD15, steps=20)


def test_sigmas_in_a_samplers_name_may_be_said_twice_but_not_contradicted() -> None:
    assert names("DPM++ 2M Karras", sigmas="karras") == names("DPM++ 2M Karras")
    with pytest.raises(UsageError, match="whose name includes karras sigmas, with sigmas 'exponential'"):
        names("DPM++ 2M Karras", sigmas="exponential")


def test_sigmas_and_spacings_have_their_names_in_any_spelling_and_each_is_known_from_the_other() -> None:
    assert names("euler", spacing="Trailing", sigmas="Karras") == Names(
        sampler="euler", spacing="trailing", sigmas="karras"
    )
    with pytest.raises(UsageError, match="Give 'karras' as sigmas"):
        names("euler", spacing="karras")
    for schedule in ("trailing", "sgm_uniform"):
        with pytest.raises(UsageError, match=f"Give '{schedule}' as spacing"):
            names("euler", sigmas=schedule)
    for given in ({"spacing": 3}, {"sigmas": np.ones(2)}):
        with pytest.raises(UsageError, match=next(iter(given))):
            names("DPM++ 2M Karras", **given)


@pytest.mark.parametrize(
    ("sampler", "schedule", "steps", "spacing"),
    [
        ("euler", "normal", 30, "linspace"),
        ("Euler a", "Uniform", 25, "linspace"),
        ("euler", "simple", 20, "trailing"),
        ("dpmpp_2m", "simple", 25, "trailing"),
        ("ddim", "ddim_uniform", 20, "leading"),
    ],
)
def test_a_schedule_of_comfyui_is_the_spacing_with_the_same_timesteps(
    sampler: str, schedule: str, steps: int, spacing: str
) -> None:
    own = names(sampler, spacing=schedule, steps=steps)
    assert own.spacing == spacing
    table = sampler_table(own.sampler, SD15, steps=steps, spacing=own.spacing)
    wanted = WEB_SCHEDULES[schedule.lower()](1000, steps)
    np.testing.assert_allclose(table.rows[:, 0], wanted, atol=1e-4)  # float32 rounds 999 by 3e-5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"spacing": "simple", "steps": 30}, "The nearest is 'trailing', whose timesteps differ by up to 1"),
        ({"spacing": "sgm_uniform"}, "The nearest is 'trailing', whose timesteps differ by up to 0.95"),
        ({"sampler": "dpmpp_2m", "spacing": "SGM Uniform"}, "The nearest is 'linspace'"),
        ({"spacing": "ddim_uniform", "steps": 30}, "expected one of leading, linspace, trailing"),
        ({"sampler": "lcm", "spacing": "simple"}, "expected none, as it has no such setting"),
        ({"sampler": "DPM++ 2M Karras", "spacing": "simple"}, "spacing 'simple' with karras sigmas"),
    ],
)
def test_a_schedule_of_comfyui_that_no_spacing_equals_is_refused_with_the_nearest(
    given: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        names(**{"sampler": "euler", **given})
