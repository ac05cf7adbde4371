"""Given a scheduler of diffusers in its pipeline's loop, when our table runs in its place, then every x is the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from latentlink.runtime.samplers import SAMPLERS, TrainingSchedule, sampler_table

# diffusers' own: numpy functions applied to tensors.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# The scheduler config of Stable Diffusion 1.5, as published.
SD15 = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}

# Relative to the largest |x| of the same call. The difference is float32, in which diffusers computes sigmas,
# exponentials and x, while this file runs our rows in float64: 6e-8 a rounding, and in the samplers in sigma as many
# times more as the first x, of size sigma, is larger than the last. LMS is a class of its own: diffusers integrates
# its polynomials numerically, asking for a relative error of 1e-4, where ours are exact.
TOLERANCE = 1e-5
WIDER = {"lms": 1e-4, "heun": 5e-5}
# With a first sigma of 4096 (zero terminal SNR) or 20291 (cosine schedule) instead of 15.
HUGE_SIGMA = 2e-4

# diffusers raises NotImplementedError or ValueError for these; the properties are tested without it.
NO_SAMPLE_PREDICTION = ("euler_a", "dpm2", "pndm")


def check(
    loops: Any,
    sampler: str,
    config: dict[str, Any],
    steps: int,
    *,
    spacing: str | None = None,
    sigmas: str | None = None,
    eta: float | None = None,
    source: dict[str, Any] | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """Compare every call; the largest relative difference of the run."""
    changes: dict[str, Any] = {}
    if spacing is not None and SAMPLERS[sampler].spacings != ("linspace",):
        changes["timestep_spacing"] = spacing
    if sigmas is not None:
        changes[f"use_{sigmas}_sigmas"] = True
    scheduler = loops.scheduler(sampler, loops.pipeline_config(config) if source is None else source, **changes)
    theirs = loops.reference(scheduler, settings={"num_inference_steps": steps}, eta=eta or 0.0)
    schedule = TrainingSchedule.from_json(config)
    ours = loops.ours(sampler_table(sampler, schedule, steps=steps, spacing=spacing, sigmas=sigmas, eta=eta))
    worst = float(loops.difference(ours, theirs))
    assert worst <= max(tolerance, WIDER.get(sampler, 0))
    return worst


def spaced() -> Iterator[tuple[str, str | None, str | None]]:
    for name, sampler in SAMPLERS.items():
        for spacing in sampler.spacings or (None,):
            for sigmas in (None, *sampler.sigmas):
                # Other sigmas of DPM-Solver's kin span all of training, whatever the spacing.
                if sigmas is None or sampler.scaled or spacing == sampler.spacing:
                    yield name, spacing, sigmas


@pytest.mark.parametrize("said", [None, "leading"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_config_that_states_its_spacing_or_not_gives_what_from_config_gives(
    loops: Any, sampler: str, said: str | None
) -> None:
    config = SD15 if said is None else {**SD15, "timestep_spacing": said}
    for steps in (1, 2, 5, 10, 20, 30, 50) if said is None else (1, 20):
        check(loops, sampler, config, steps)


@pytest.mark.parametrize(("sampler", "spacing", "sigmas"), list(spaced()))
def test_every_spacing_and_every_kind_of_sigmas(
    loops: Any, sampler: str, spacing: str | None, sigmas: str | None
) -> None:
    for steps in (2, 14, 15):
        check(loops, sampler, SD15, steps, spacing=spacing, sigmas=sigmas)


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_prediction_type(loops: Any, sampler: str, prediction: str) -> None:
    if prediction == "sample" and sampler in NO_SAMPLE_PREDICTION:
        pytest.skip("diffusers does not implement it")
    for steps in (3, 20):
        check(loops, sampler, {**SD15, "prediction_type": prediction}, steps)


@pytest.mark.parametrize("eta", [0.3, 0.45, 1.0])
@pytest.mark.parametrize("sampler", ["ddim", "tcd"])
def test_eta_draws_the_noise_of_the_same_stream(loops: Any, sampler: str, eta: float) -> None:
    for steps in (1, 4, 20):
        check(loops, sampler, SD15, steps, eta=eta)


@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("sampler", [name for name, known in SAMPLERS.items() if known.zero_snr != "ignored"])
def test_a_model_of_zero_terminal_snr(loops: Any, sampler: str, spacing: str) -> None:
    if spacing not in SAMPLERS[sampler].spacings:
        pytest.skip("has its own timesteps")
    config = {**SD15, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": spacing}
    for steps in (4, 20):
        check(loops, sampler, config, steps, source=config, tolerance=HUGE_SIGMA)


@pytest.mark.parametrize("sampler", [name for name, known in SAMPLERS.items() if not known.ends_at_is_fixed])
def test_an_end_above_zero(loops: Any, sampler: str) -> None:
    config = {**SD15, "final_sigmas_type": "sigma_min"}
    for steps in (3, 4, 15, 16):
        check(loops, sampler, config, steps, source=config)


@pytest.mark.parametrize(
    "changes",
    [
        {"beta_schedule": "squaredcos_cap_v2"},
        {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
        {"num_train_timesteps": 1100, "beta_end": 0.014},
        {"set_alpha_to_one": True, "steps_offset": 0},
    ],
    ids=["cosine", "linear", "1100 timesteps", "ends at one"],
)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_other_training_schedules(loops: Any, sampler: str, changes: dict[str, Any]) -> None:
    check(loops, sampler, {**SD15, **changes}, 7, tolerance=HUGE_SIGMA if "beta_schedule" in changes else TOLERANCE)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2s", "unipc", "deis"])
def test_karras_sigmas_of_a_cosine_schedule(loops: Any, sampler: str) -> None:
    # With more steps two whole timesteps at the start coincide, and diffusers, which looks its place up by timestep,
    # starts at the second and runs past the end.
    for steps in (2, 3):
        check(
            loops, sampler, {**SD15, "beta_schedule": "squaredcos_cap_v2"}, steps, sigmas="karras", tolerance=HUGE_SIGMA
        )


def test_consistency_models_distilled_on_another_schedule(loops: Any) -> None:
    config = {**SD15, "original_inference_steps": 100, "timestep_scaling": 5.0}
    for sampler in ("lcm", "tcd"):
        check(loops, sampler, config, 6, source=config)
