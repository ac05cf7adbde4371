"""Training schedules, spacings and sigma grids, against torch, scipy and diffusers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentlink.errors import UsageError
from latentlink.runtime.samplers import SAMPLERS, TrainingSchedule, sampler_table
from latentlink.runtime.samplers.schedules.beta_quantile import beta_quantile
from latentlink.runtime.samplers.schedules.levels import NoiseLevels

SD15: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

SCHEDULES: list[dict[str, Any]] = [
    SD15,
    {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"},
    {"beta_start": 0.00085, "beta_end": 0.014, "beta_schedule": "scaled_linear", "num_train_timesteps": 1100},
    {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "squaredcos_cap_v2"},
    {"beta_start": 0.01, "beta_end": 0.02, "beta_schedule": "linear", "num_train_timesteps": 2},
]


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_alpha_bar_is_that_of_training_to_the_last_bits_of_float32(schedule: dict[str, Any], rescale: bool) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(**schedule, rescale_betas_zero_snr=rescale, clip_sample=False)
    ours = TrainingSchedule.from_json({**schedule, "rescale_betas_zero_snr": rescale}).levels("exact")
    # torch's linspace and square root differ in the last bit from processor to processor, 6e-8 of an alpha; rescaling
    # subtracts numbers that are nearly equal, which makes that 1e-4 of the levels next to zero SNR.
    theirs_alpha_bar = theirs.alphas_cumprod.double().numpy()
    np.testing.assert_allclose(ours.alpha_bar, theirs_alpha_bar, rtol=1e-6 if not rescale else 3e-4)
    assert (ours.alpha_bar[-1] == 0) == rescale


def test_zero_snr_is_finite_where_a_sampler_divides_by_it() -> None:
    schedule = TrainingSchedule.from_json({**SD15, "rescale_betas_zero_snr": True})
    assert schedule.levels("finite").sigmas[-1] == pytest.approx(4096, rel=1e-6)
    assert schedule.levels("ignored").sigmas[-1] == pytest.approx(14.6146, rel=1e-5)


@settings(deadline=None)  # the first call imports scipy
@given(st.floats(1e-9, 1), st.sampled_from([(0.6, 0.6), (0.5, 0.5), (1.0, 1.0), (2.0, 5.0), (0.3, 1.7)]))
def test_beta_quantile_equals_scipy(probability: float, shape: tuple[float, float]) -> None:
    stats = pytest.importorskip("scipy.stats")
    # Near 1 the answer is 1 - x with x from 1 - probability, whose spacing is 1e-16.
    np.testing.assert_allclose(
        beta_quantile(probability, *shape), stats.beta.ppf(probability, *shape), rtol=1e-11, atol=1e-14
    )


def test_beta_quantile_is_exact_at_both_ends_and_takes_arrays() -> None:
    p = np.linspace(0, 1, 1001)
    x = beta_quantile(p, 0.6, 0.6)
    assert x.shape == p.shape
    assert x[0] == 0
    assert x[-1] == 1
    assert (np.diff(x) > 0).all()
    assert x[500] == pytest.approx(0.5, abs=1e-15)


@given(st.floats(0, 999))
def test_the_timestep_of_a_sigma_is_the_one_it_came_from(t: float) -> None:
    levels = TrainingSchedule.from_json(SD15).levels("ignored")
    log_sigma = np.interp(t, np.arange(1000), np.log(levels.sigmas))
    # The table's logarithms are float32: 2e-7 of 2.7, over steps of 0.002 and more.
    assert float(levels.timestep_of(np.exp(log_sigma))) == pytest.approx(t, abs=2e-4)


def test_a_sigma_outside_the_schedule_has_its_first_or_last_timestep() -> None:
    levels = TrainingSchedule.from_json(SD15).levels("ignored")
    np.testing.assert_array_equal(levels.timestep_of(np.array([0.0, 1e-5, 100.0])), [0, 0, 999])


@pytest.mark.parametrize("steps", [1, 7, 25, 60, 100, 333])
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("sampler", ["ddim", "euler", "pndm", "dpmpp_2m", "deis"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_timesteps_are_those_of_diffusers(sampler: str, spacing: str, steps: int) -> None:
    diffusers = pytest.importorskip("diffusers")
    arguments = {"skip_prk_steps": True} if sampler == "pndm" else {}
    theirs = getattr(diffusers, SAMPLERS[sampler].diffusers)(
        **SD15, timestep_spacing=spacing, steps_offset=1, **arguments
    )
    theirs.set_timesteps(steps)
    schedule = TrainingSchedule.from_json({**SD15, "steps_offset": 1})
    ours = sampler_table(sampler, schedule, steps=steps, spacing=spacing).rows[:, 0]
    np.testing.assert_array_equal(ours, theirs.timesteps.double().numpy())


@pytest.mark.parametrize("sigmas", ["karras", "exponential", "beta"])
@pytest.mark.parametrize("sampler", ["euler", "dpm2", "dpmpp_2m", "unipc"])
@pytest.mark.parametrize("schedule", SCHEDULES[:3])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_timesteps_of_other_sigmas_are_those_of_diffusers(schedule: dict[str, Any], sampler: str, sigmas: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = getattr(diffusers, SAMPLERS[sampler].diffusers)(**schedule, **{f"use_{sigmas}_sigmas": True})
    for steps in (1, 2, 10, 37, 64):
        theirs.set_timesteps(steps)
        ours = sampler_table(sampler, TrainingSchedule.from_json(schedule), steps=steps, sigmas=sigmas).rows[:, 0]
        expected = theirs.timesteps.double().numpy()
        whole = bool((expected == expected.round()).all())
        if whole and schedule.get("num_train_timesteps") == 1100:
            # The last bit of the highest sigma decides between T-1 and T-2, and torch's square root is wrong in it
            # on some processors.
            assert abs(ours[0] - expected[0]) <= 1
            ours, expected = ours[1:], expected[1:]
        # Others are interpolated between float32 logarithms, 1e-7 of which is 1e-4 timesteps.
        np.testing.assert_allclose(ours, expected, atol=0 if whole else 5e-4)


def test_json_round_trips_and_leaves_out_what_is_not_said() -> None:
    data = {**SD15, "num_train_timesteps": 1000, "prediction_type": "v_prediction", "steps_offset": 1}
    assert TrainingSchedule.from_json(data).to_json() == data
    assert TrainingSchedule.from_json({**SD15, "clip_sample": False, "thresholding": False}).timestep_spacing is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_sample": True}, "clamps"),
        ({"thresholding": True}, "quantile"),
        ({"variance_type": "learned_range"}, "variance of each pixel"),
        ({"variance_type": "fixed_large"}, "'fixed_small'"),
        ({"beta_strat": 1}, "Did you mean 'beta_start'"),
        ({"beta_start": "0.1"}, "float from"),
        ({"beta_start": 0}, "float from"),
        ({"beta_start": float("nan")}, "float from"),
        ({"beta_start": 10**400}, "float from"),
        ({"beta_end": 1.5}, "float from"),
        ({"beta_start": 0.5}, "above beta_end"),
        ({"num_train_timesteps": 1000.0}, "int from"),
        ({"num_train_timesteps": True}, "int from"),
        ({"steps_offset": -1}, "int from"),
        ({"set_alpha_to_one": 1}, "true or false"),
        ({"beta_schedule": "scaledlinear"}, "Did you mean 'scaled_linear'"),
        ({"prediction_type": "velocity"}, "expected one of epsilon, v_prediction, sample"),
        ({"timestep_spacing": ["leading"]}, "expected one of leading"),
        ({"final_sigmas_type": "one"}, "expected one of zero, sigma_min"),
        ({"num_train_timesteps": None}, "int from"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSchedule.from_json({**SD15, **changes})


def test_a_schedule_without_betas_is_refused() -> None:
    with pytest.raises(ValueError, match="without beta_end"):
        TrainingSchedule.from_json({"beta_start": 0.1, "beta_schedule": "linear"})


def test_levels_are_what_they_say() -> None:
    levels = NoiseLevels(alpha_bar=np.array([0.5, 0.2]))
    np.testing.assert_allclose(levels.sigmas, [1.0, 2.0])
    np.testing.assert_allclose(levels.sigma_at(np.array([0.5])), [1.5])


@pytest.mark.parametrize("kind", ["karras", "exponential", "beta"])
def test_a_checkpoints_own_kind_of_levels_is_the_default_where_a_sampler_has_it(kind: str) -> None:
    own, plain = TrainingSchedule.from_json({**SD15, f"use_{kind}_sigmas": True}), TrainingSchedule.from_json(SD15)
    for sampler, named in SAMPLERS.items():
        expected = sampler_table(sampler, plain, steps=8, sigmas=kind if kind in named.sigmas else None)
        np.testing.assert_array_equal(sampler_table(sampler, own, steps=8).rows, expected.rows)
    other = sampler_table("euler", plain, steps=8, sigmas="exponential").rows
    np.testing.assert_array_equal(sampler_table("euler", own, steps=8, sigmas="exponential").rows, other)


def test_a_checkpoint_has_at_most_one_kind_of_levels_of_its_own() -> None:
    with pytest.raises(UsageError, match="more than one of use_karras_sigmas"):
        TrainingSchedule.from_json({**SD15, "use_karras_sigmas": True, "use_beta_sigmas": True})
