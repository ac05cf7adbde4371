"""Given an img2img or inpainting loop of diffusers, when our table runs in its place, then every x is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentlink.runtime.samplers import COLUMNS, SAMPLERS, TrainingSchedule, sampler_table

# diffusers' own: numpy functions applied to tensors.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CONFIG = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}
SCHEDULE = TrainingSchedule.from_json(CONFIG)

# Of float32, in which diffusers computes; see test_samplers.py. LMS's integrals are numerical in diffusers.
TOLERANCE = 5e-6
WIDER = {"lms": 1e-4}

# Samplers with rows that go on from the x of an earlier row.
KEEPING = ("heun", "dpm2", "pndm", "dpmpp_2s", "unipc")

IMG2IMG = "StableDiffusionXLImg2ImgPipeline"

PARTS: list[dict[str, Any]] = [
    {"strength": 0.3},
    {"strength": 0.6},
    {"strength": 1.0},
    {"end": 0.8},
    {"start": 0.8},
    {"start": 0.3, "end": 0.7},
    {"start": 0.77, "strength": 0.1},
]


def check(
    loops: Any, sampler: str, steps: int, part: dict[str, Any], *, masked: bool, pipeline: str | None = IMG2IMG
) -> None:
    scheduler = loops.scheduler(sampler, loops.pipeline_config(CONFIG))
    settings = {"num_inference_steps": steps}
    theirs = loops.reference(scheduler, settings=settings, pipeline=pipeline, masked=masked, **part)
    table = sampler_table(sampler, SCHEDULE, steps=steps, **part)
    ours = loops.ours(table, from_picture=pipeline is not None, masked=masked)
    assert loops.difference(ours, theirs) <= WIDER.get(sampler, TOLERANCE)


@pytest.mark.parametrize("masked", [False, True], ids=["picture", "mask"])
@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_part_of_a_run_is_that_of_diffusers(loops: Any, sampler: str, part: dict[str, Any], masked: bool) -> None:
    # 7 steps end in an unpaired step of dpmpp_2s, and 16 leave the last one of dpmpp_2m at its order.
    for steps in (7, 10, 16):
        check(loops, sampler, steps, part, masked=masked)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_mask_leaves_the_first_noise_alone(loops: Any, sampler: str) -> None:
    check(loops, sampler, 9, {}, masked=True, pipeline=None)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_only_samplers_that_keep_an_x_of_their_own_recover_it(sampler: str) -> None:
    recovers = sampler_table(sampler, SCHEDULE, steps=6).recovers
    assert recovers.any() == (sampler in KEEPING)
    assert not recovers[0]


@pytest.mark.parametrize("sampler", KEEPING)
def test_blending_what_is_recovered_would_give_another_picture(loops: Any, sampler: str) -> None:
    table = sampler_table(sampler, SCHEDULE, steps=6)
    blending = replace(table, recovers=np.zeros_like(table.recovers))
    right, wrong = (loops.ours(each, masked=True) for each in (table, blending))
    assert loops.difference(wrong, right) > 1e-3


@pytest.mark.parametrize("asked", [{"spacing": "trailing"}, {"sigmas": "karras"}, {"sigmas": "beta"}], ids=str)
@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm2", "lms", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "deis"])
def test_a_part_of_other_levels(loops: Any, sampler: str, asked: dict[str, Any]) -> None:
    changes = {"timestep_spacing": "trailing"} if "spacing" in asked else {f"use_{asked['sigmas']}_sigmas": True}
    parts: list[dict[str, Any]] = [{"strength": 0.6}, {"end": 0.7}]
    for part in parts:
        scheduler = loops.scheduler(sampler, loops.pipeline_config(CONFIG), **changes)
        settings = {"num_inference_steps": 9}
        theirs = loops.reference(scheduler, settings=settings, pipeline=IMG2IMG, masked=True, **part)
        table = sampler_table(sampler, SCHEDULE, steps=9, **asked, **part)
        ours = loops.ours(table, from_picture=True, masked=True)
        assert loops.difference(ours, theirs) <= WIDER.get(sampler, TOLERANCE)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_from_noise_that_stops_early(loops: Any, sampler: str) -> None:
    check(loops, sampler, 9, {"end": 0.6}, masked=False, pipeline=None)


@pytest.mark.parametrize("split", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "euler", "euler_a", "lcm", "tcd"])
def test_two_models_that_share_a_run_take_every_row_once(sampler: str, split: float) -> None:
    """Of samplers without a memory; others begin anew with the second model."""
    whole = sampler_table(sampler, SCHEDULE, steps=10)
    first = sampler_table(sampler, SCHEDULE, steps=10, end=split)
    second = sampler_table(sampler, SCHEDULE, steps=10, start=split)
    np.testing.assert_array_equal(np.concatenate([first.rows, second.rows]), whole.rows)
    np.testing.assert_array_equal(np.concatenate([first.levels[:-1], second.levels]), whole.levels)
    np.testing.assert_array_equal(first.levels[-1], second.levels[0])
    np.testing.assert_array_equal(whole.levels[-1], [1, 0])
    assert first.steps + second.steps == whole.steps


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_part_counts_its_own_steps_and_reads_no_older_d(sampler: str) -> None:
    for part in PARTS:
        table = sampler_table(sampler, SCHEDULE, steps=10, **part)
        assert table.step[0] == 0
        assert sorted(set(table.step.tolist())) == list(range(table.steps))
        for age in range(1, 5):
            assert not table.rows[:age, COLUMNS.index(f"b{age}")].any()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_whole_run_may_be_asked_for_in_every_way(sampler: str) -> None:
    whole = sampler_table(sampler, SCHEDULE, steps=5)
    for part in ({"strength": 1}, {"start": 0}, {"end": 1.0}, {"start": 0.0, "end": 1}):
        np.testing.assert_array_equal(sampler_table(sampler, SCHEDULE, steps=5, **part).rows, whole.rows)
