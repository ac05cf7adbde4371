"""Given a scheduler of diffusers in its pipeline's loop, when our table runs in its place, then every x is the same."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from latentlink.runtime.samplers import SAMPLERS, TrainingSchedule, apply_row, sampler_table

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

# diffusers' own: numpy functions applied to tensors.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Array = NDArray[np.float64]

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

# What the class needs besides the checkpoint's config.
ARGUMENTS = {"dpmpp_2m_sde": {"algorithm_type": "sde-dpmsolver++"}, "pndm": {"skip_prk_steps": True}}

# diffusers raises NotImplementedError or ValueError for these; the properties are tested without it.
NO_SAMPLE_PREDICTION = ("euler_a", "dpm2", "pndm")


def pipeline_config(config: dict[str, Any]) -> dict[str, Any]:
    """What `pipe.scheduler.config` holds for a checkpoint with this config: class defaults are marked as such."""
    marked = diffusers.PNDMScheduler.from_config({**config, "skip_prk_steps": True}).config
    return dict(marked)


@cache
def _scheduler(sampler: str, config_and_changes: str) -> Any:
    config, changes = json.loads(config_and_changes)
    kind = getattr(diffusers, SAMPLERS[sampler].diffusers)
    changes |= ARGUMENTS.get(sampler, {})
    if "clip_sample" in inspect.signature(kind.__init__).parameters:
        changes["clip_sample"] = False
    return kind.from_config(config, **changes)


def scheduler_of(sampler: str, config: dict[str, Any], **changes: Any) -> Any:
    # A copy of one made before, as some need a tenth of a second to be made; set_timesteps may change their config.
    return deepcopy(_scheduler(sampler, json.dumps([config, changes])))


def start_noise() -> Any:
    return torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(1))


def reference_run(scheduler: Any, steps: int, eta: float = 0.0) -> tuple[Array, list[Array]]:
    """Timesteps, and x after every call: the loop of StableDiffusionPipeline."""
    generator = torch.Generator().manual_seed(5)
    accepted = inspect.signature(scheduler.step).parameters
    arguments = {"generator": generator, "eta": eta}
    arguments = {name: value for name, value in arguments.items() if name in accepted}
    scheduler.set_timesteps(steps)
    x = start_noise() * scheduler.init_noise_sigma
    after = []
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t)
        prediction = torch.tanh(0.7 * seen) + 0.1 * torch.sin(t.float() / 100)
        x = scheduler.step(prediction, t, x, **arguments).prev_sample
        after.append(x.double().numpy())
    return scheduler.timesteps.double().numpy(), after


def our_run(sampler: str, schedule: TrainingSchedule, steps: int, **asked: Any) -> tuple[Array, list[Array]]:
    table = sampler_table(sampler, schedule, steps=steps, **asked)
    generator = torch.Generator().manual_seed(5)
    x = start_noise().double().numpy() * table.start_scale
    history: list[Array] = []
    after = []
    for row, draws in zip(table.rows, table.draws, strict=True):
        noise = torch.randn(x.shape, generator=generator).double().numpy() if draws else None
        x, denoised = apply_row(row, x, lambda x, t: np.tanh(0.7 * x) + 0.1 * np.sin(t / 100), history, noise)
        history = [denoised, *history][:4]
        after.append(x)
    return table.rows[:, 0], after


def check(
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
    theirs = scheduler_of(sampler, pipeline_config(config) if source is None else source, **changes)
    their_t, their_x = reference_run(theirs, steps, eta or 0.0)
    our_t, our_x = our_run(sampler, TrainingSchedule.from_json(config), steps, spacing=spacing, sigmas=sigmas, eta=eta)
    # Whole timesteps are equal. Others are interpolated between float32 logarithms, 1e-7 of which is 1e-4 timesteps.
    np.testing.assert_allclose(our_t, their_t, atol=0 if (their_t == their_t.round()).all() else 5e-4)
    worst = max(
        float(np.abs(ours - reference).max() / np.abs(reference).max())
        for ours, reference in zip(our_x, their_x, strict=True)
    )
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
def test_a_config_that_states_its_spacing_or_not_gives_what_from_config_gives(sampler: str, said: str | None) -> None:
    config = SD15 if said is None else {**SD15, "timestep_spacing": said}
    for steps in (1, 2, 5, 10, 20, 30, 50) if said is None else (1, 20):
        check(sampler, config, steps)


@pytest.mark.parametrize(("sampler", "spacing", "sigmas"), list(spaced()))
def test_every_spacing_and_every_kind_of_sigmas(sampler: str, spacing: str | None, sigmas: str | None) -> None:
    for steps in (2, 14, 15):
        check(sampler, SD15, steps, spacing=spacing, sigmas=sigmas)


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_prediction_type(sampler: str, prediction: str) -> None:
    if prediction == "sample" and sampler in NO_SAMPLE_PREDICTION:
        pytest.skip("diffusers does not implement it")
    for steps in (3, 20):
        check(sampler, {**SD15, "prediction_type": prediction}, steps)


@pytest.mark.parametrize("eta", [0.3, 0.45, 1.0])
@pytest.mark.parametrize("sampler", ["ddim", "tcd"])
def test_eta_draws_the_noise_of_the_same_stream(sampler: str, eta: float) -> None:
    for steps in (1, 4, 20):
        check(sampler, SD15, steps, eta=eta)


@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("sampler", [name for name, known in SAMPLERS.items() if known.zero_snr != "ignored"])
def test_a_model_of_zero_terminal_snr(sampler: str, spacing: str) -> None:
    if spacing not in SAMPLERS[sampler].spacings:
        pytest.skip("has its own timesteps")
    config = {**SD15, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": spacing}
    for steps in (4, 20):
        check(sampler, config, steps, source=config, tolerance=HUGE_SIGMA)


@pytest.mark.parametrize("sampler", [name for name, known in SAMPLERS.items() if not known.ends_at_is_fixed])
def test_an_end_above_zero(sampler: str) -> None:
    config = {**SD15, "final_sigmas_type": "sigma_min"}
    for steps in (3, 4, 15, 16):
        check(sampler, config, steps, source=config)


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
def test_other_training_schedules(sampler: str, changes: dict[str, Any]) -> None:
    check(sampler, {**SD15, **changes}, 7, tolerance=HUGE_SIGMA if "beta_schedule" in changes else TOLERANCE)


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2s", "unipc", "deis"])
def test_karras_sigmas_of_a_cosine_schedule(sampler: str) -> None:
    # With more steps two whole timesteps at the start coincide, and diffusers, which looks its place up by timestep,
    # starts at the second and runs past the end.
    for steps in (2, 3):
        check(sampler, {**SD15, "beta_schedule": "squaredcos_cap_v2"}, steps, sigmas="karras", tolerance=HUGE_SIGMA)


def test_consistency_models_distilled_on_another_schedule() -> None:
    config = {**SD15, "original_inference_steps": 100, "timestep_scaling": 5.0}
    for sampler in ("lcm", "tcd"):
        check(sampler, config, 6, source=config)
