"""Ranges of latents: measured over runs, by level, and kept in a manifest whose bundle still opens."""

from __future__ import annotations

import numpy as np
import pytest

import latentlink
from latentlink.calibration.latent_ranges import DIGITS, measure_ranges
from latentlink.demo.grammar import held_out
from latentlink.demo.prompts import calibration_prompts
from latentlink.errors import UsageError
from latentlink.runtime import Pipeline

PROMPTS = calibration_prompts()[:3]


def test_the_clean_range_is_the_extremes_of_the_runs_latents(demo: Pipeline) -> None:
    on_phase: list[tuple[int, int]] = []
    ranges = measure_ranges(demo, PROMPTS, count=10, steps=3, seed=4, on_done=lambda *at: on_phase.append(at))
    asked = [PROMPTS[number % 3] for number in range(10)]
    made = demo.generate(asked, seed=range(4, 14), steps=3, decode=False).latents.array.astype(np.float64)
    # eight and two at a time, and ten at a time: sums in another blocking, amplified by guidance
    near = 10.0**-DIGITS + 1e-3
    for found, values in ((ranges[0].mean, made.mean((2, 3))), (ranges[0].std, made.std((2, 3)))):
        np.testing.assert_allclose(found, np.stack([values.min(0), values.max(0)], 1), atol=near)
    rms = np.sqrt((made**2).mean((1, 2, 3)))
    np.testing.assert_allclose(ranges[0].rms, (rms.min(), rms.max()), atol=near)
    assert on_phase == [(8, 10), (10, 10)]


def test_levels_rise_from_a_clean_latent_and_the_same_call_measures_the_same(demo: Pipeline) -> None:
    first, again = (measure_ranges(demo, PROMPTS, count=2, steps=6) for _ in range(2))
    assert first == again
    levels = [one.level for one in first]
    assert levels[0] == 0
    assert levels == sorted(set(levels))
    assert len(levels) > 3


def test_a_latent_of_nearly_pure_noise_has_a_root_mean_square_near_1_whatever_the_sampler_scales_it_by(
    demo: Pipeline,
) -> None:
    noisiest = measure_ranges(demo, PROMPTS, count=4, steps=20)[-1]
    assert noisiest.level > 0.95
    assert 0.8 < noisiest.rms[0] < noisiest.rms[1] < 1.25  # 256 numbers: a deviation of 0.044 about 1, and some signal


@pytest.mark.parametrize(("prompts", "count", "says"), [([], 1, "no prompt"), (PROMPTS, 0, "count is 0")])
def test_nothing_to_measure_is_refused(demo: Pipeline, prompts: list[str], count: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        measure_ranges(demo, prompts, count=count)


@pytest.mark.parametrize("name", ["demo", "demo-b"])
def test_the_bundles_that_ship_are_calibrated(name: str) -> None:
    with latentlink.load(name) as pipe:
        assert len(pipe.sampling.ranges) > 8
        assert pipe.sampling.ranges[0].level == 0


def test_the_captions_that_demo_is_calibrated_with_are_none_of_the_held_out_ones() -> None:
    captions = calibration_prompts()
    assert len(captions) == len({*captions}) == 584
    assert not {*captions} & {scene.caption for scene in held_out()}
