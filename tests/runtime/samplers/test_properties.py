"""What holds for every sampler, whatever the schedule; and what is refused, by name and with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.runtime.samplers import (
    COLUMNS,
    DATA_DEPENDENT,
    SAMPLERS,
    TrainingSchedule,
    apply_row,
    sampler_table,
)

Array = NDArray[np.float64]

SD15 = TrainingSchedule(
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    steps_offset=1,
    set_alpha_to_one=False,
)


@st.composite
def schedules(draw: st.DrawFn) -> TrainingSchedule:
    start = draw(st.floats(1e-5, 5e-3))
    return TrainingSchedule(
        num_train_timesteps=draw(st.integers(200, 1500)),
        beta_start=start,
        beta_end=draw(st.floats(start * 1.01, 0.05)),
        beta_schedule=draw(st.sampled_from(["linear", "scaled_linear"])),
        prediction_type=draw(st.sampled_from(["epsilon", "v_prediction", "sample"])),
        timestep_spacing=draw(st.sampled_from([None, "leading", "linspace", "trailing"])),
        steps_offset=draw(st.sampled_from([None, 0, 1])),
        set_alpha_to_one=draw(st.sampled_from([None, True, False])),
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=15, deadline=None)
@given(schedule=schedules(), steps=st.integers(1, 50), data=st.data())
def test_every_coefficient_is_finite_and_steps_count_up(
    sampler: str, schedule: TrainingSchedule, steps: int, data: st.DataObject
) -> None:
    sigmas = data.draw(st.sampled_from([None, *SAMPLERS[sampler].sigmas]))
    table = sampler_table(sampler, schedule, steps=steps, sigmas=sigmas)
    assert np.isfinite(table.rows).all()
    assert table.rows.shape == (len(table.draws), len(COLUMNS))
    assert table.steps == steps
    assert sorted(set(table.step.tolist())) == list(range(steps))
    assert (np.diff(table.step) >= 0).all()
    assert not table.rows[~table.draws, COLUMNS.index("c")].any()
    t = table.rows[:, COLUMNS.index("t")]
    assert t.min() >= 0
    assert t.max() <= schedule.num_train_timesteps
    # No row reads a D that is older than the first row.
    for age in range(1, 5):
        assert not table.rows[:age, COLUMNS.index(f"b{age}")].any()


def _perfect(schedule: TrainingSchedule, target: float) -> Callable[[Array, float], Array]:
    """A model of data that is one constant: it knows the noise in x exactly, at any timestep."""
    alpha_bar = schedule.levels("ignored").alpha_bar

    def model(x: Array, t: float) -> Array:
        # Between timesteps sigma is linear in samplers in sigma, so it is in the model.
        sigma_ratio = np.interp(t, np.arange(len(alpha_bar)), np.sqrt((1 - alpha_bar) / alpha_bar))
        alpha = 1 / np.sqrt(1 + sigma_ratio**2)
        sigma = sigma_ratio * alpha
        eps = (x - alpha * target) / sigma
        known = {"epsilon": eps, "v_prediction": alpha * eps - sigma * target, "sample": np.full_like(x, target)}
        return np.asarray(known[schedule.prediction_type])

    return model


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ("deis", "tcd", "dpm2")])
@pytest.mark.parametrize("steps", [1, 2, 9, 24])
def test_with_a_perfect_model_the_last_x_is_the_picture(sampler: str, prediction: str, steps: int) -> None:
    """deis and tcd end at the lowest training level, and dpm2's midpoints lie between timesteps."""
    if sampler == "pndm" and prediction == "v_prediction" and steps > 1:
        pytest.skip("combines v, which is not constant; the noise is")
    schedule = TrainingSchedule(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        set_alpha_to_one=True,
        timestep_spacing="leading",
        steps_offset=0,
    )
    table = sampler_table(sampler, schedule, steps=steps)
    generator = np.random.default_rng(3)
    x = generator.standard_normal(64) * table.start_scale
    history: list[Array] = []
    for row, draws in zip(table.rows, table.draws, strict=True):
        noise = generator.standard_normal(64) if draws else None
        x, denoised = apply_row(row, x, _perfect(schedule, 0.7), history, noise)
        history = [denoised, *history][:4]
    # ddpm's last noise has a variance of 1e-20; lcm's boundary condition keeps 1e-4 of x at t = 19.
    np.testing.assert_allclose(x, 0.7, atol={"ddpm": 1e-9, "lcm": 1e-4}.get(sampler, 1e-9))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_table_cannot_be_changed(sampler: str) -> None:
    table = sampler_table(sampler, SD15, steps=4)
    with pytest.raises(ValueError, match="read-only"):
        table.rows[0, 0] = 1


@pytest.mark.parametrize("name", ["dpm_adaptive", "dpmpp_sde", "thresholding", "guidance_rescale"])
def test_what_depends_on_the_data_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=DATA_DEPENDENT[name]):
        sampler_table(name, SD15, steps=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": "eulr"}, "Did you mean 'euler'"),
        ({"sampler": "DPMPP_2M"}, "Did you mean 'dpmpp_2m'"),
        ({"sampler": "zzzz"}, "expected one of ddim, ddpm"),
        ({"sampler": None}, "expected one of"),
        ({"spacing": "trail"}, "Did you mean 'trailing'"),
        ({"sampler": "dpmpp_2s", "spacing": "trailing"}, "expected one of linspace"),
        (
            {"sampler": "lcm", "spacing": "trailing"},
            "spacing .trailing. for sampler .lcm.; expected none, as it has no",
        ),
        ({"sigmas": "kerras"}, "Did you mean 'karras'"),
        ({"sampler": "ddim", "sigmas": "karras"}, "sigmas 'karras' for sampler 'ddim'"),
        ({"steps": 0}, "from 1 to 1000"),
        ({"steps": 1001}, "from 1 to 1000"),
        ({"steps": 2.0}, "from 1 to 1000"),
        ({"steps": True}, "from 1 to 1000"),
        ({"sampler": "ddim", "steps": 1000}, "visit timesteps 1 to 1000"),
        ({"sampler": "dpmpp_2m", "steps": 1000}, "same timestep"),
        ({"sampler": "lcm", "steps": 51}, "1 to 50 steps"),
        ({"eta": 0.5}, "a sampler that has one: ddim, tcd"),
        ({"sampler": "ddim", "eta": 1.5}, "from 0 to 1"),
        ({"sampler": "ddim", "eta": float("nan")}, "from 0 to 1"),
        ({"sampler": "ddim", "eta": "1"}, "from 0 to 1"),
        ({"shift": 3.0}, "no shift"),
        ({"sampler": "flow_euler"}, "expected one of ddim, ddpm"),
        ({"strength": 1.1}, "strength 1.1; expected a number from 0 to 1"),
        ({"strength": float("nan")}, "from 0 to 1"),
        ({"strength": True}, "from 0 to 1"),
        ({"strength": 0.09}, "10 steps with strength 0.09, of which none is left.*a strength of at least 0.1"),
        ({"start": -0.1}, "from 0 to 1"),
        ({"end": "0.8"}, "from 0 to 1"),
        ({"start": 1.0}, "denoising_start 1.0 with the end at 1; expected a start below the end"),
        ({"start": 0.8, "end": 0.8}, "a start below the end"),
        ({"sampler": "dpmpp_2m", "start": 0.95}, "10 steps with denoising_start 0.95, of which none is left"),
        ({"end": 0.0}, "strength 1.0 and denoising_end 0.0, of which none is left"),
    ],
)
def test_a_refusal_says_what_came_and_what_was_expected(arguments: dict[str, Any], message: str) -> None:
    arguments = {"sampler": "euler", "steps": 10, **arguments}
    with pytest.raises(ValueError, match=message):
        sampler_table(arguments.pop("sampler"), SD15, **arguments)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "lcm", "tcd"])
def test_epsilon_from_pure_noise_is_refused_where_it_would_divide_by_zero(sampler: str) -> None:
    schedule = TrainingSchedule.from_json(
        {**SD15.to_json(), "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    )
    with pytest.raises(ValueError, match="which is pure noise"):
        sampler_table(sampler, schedule, steps=5)


@pytest.mark.parametrize("steps", [61, 103])
@pytest.mark.parametrize("sampler", ["ddim", "euler", "dpmpp_2m"])
def test_trailing_spacing_never_visits_a_timestep_below_zero(sampler: str, steps: int) -> None:
    """For these counts `numpy.arange(1000, 0, -1000 / steps)` has an entry too many, and diffusers a timestep -1."""
    table = sampler_table(sampler, SD15, steps=steps, spacing="trailing")
    assert len(table.rows) == steps
    assert table.rows[:, 0].min() >= 0


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_as_many_steps_as_timesteps_give_finite_rows_or_a_refusal(sampler: str, spacing: str) -> None:
    """With an offset, the first two timesteps of leading spacing have the last level: LMS would divide by zero."""
    for offset in (0, 1):
        schedule = replace(SD15, num_train_timesteps=40, timestep_spacing=spacing, steps_offset=offset)
        try:
            table = sampler_table(sampler, schedule, steps=40)
        except UsageError as error:
            assert "Received 40 steps" in str(error)
        else:
            assert np.isfinite(table.rows).all()
    if (sampler, spacing) == ("lms", "leading"):
        with pytest.raises(UsageError, match="40 steps of sampler 'lms', of which some visit the same noise level"):
            sampler_table(sampler, schedule, steps=40)


def test_rows_that_are_not_finite_or_draw_in_secret_are_refused() -> None:
    table = sampler_table("euler", SD15, steps=2)
    rows, levels = table.rows.copy(), table.levels.copy()
    rows[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        replace(table, rows=rows)
    levels[0, 0] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        replace(table, levels=levels)
    rows[0, 0], rows[0, -1] = 0, 1
    with pytest.raises(ValueError, match="draws to be true"):
        replace(table, rows=rows)
    with pytest.raises(ValueError, match=r"expected \[R, 11\]"):
        replace(table, rows=table.rows[:, :5])
    with pytest.raises(ValueError, match=r"\[R \+ 1, 2\]"):
        replace(table, levels=table.levels[:-1])


@pytest.mark.parametrize("sigmas", [None, "karras", "exponential", "beta"])
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if "sde" in name])
def test_levels_that_end_at_the_lowest_one_make_a_table_for_every_number_of_steps(sampler: str, sigmas: str) -> None:
    schedule = TrainingSchedule(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", final_sigmas_type="sigma_min"
    )
    for steps in range(1, 51):
        assert np.isfinite(sampler_table(sampler, schedule, steps=steps, sigmas=sigmas).rows).all()
