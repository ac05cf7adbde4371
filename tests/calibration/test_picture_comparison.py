"""What a choice does to pictures, measured and kept: the step cache, and a bundle beside another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import latentlink
from latentlink.calibration.judge import Judge
from latentlink.calibration.picture_comparison import (
    ComparisonOptions,
    measure_beside,
    measure_step_cache,
    with_quality,
)
from latentlink.calibration.picture_quality import PictureBatch
from latentlink.demo.check import check
from latentlink.demo.grammar import held_out
from latentlink.engine.bundle import Bundle, Manifest, StepCache
from latentlink.engine.quality import Quality
from latentlink.errors import BundleError, PreflightError, UsageError
from latentlink.runtime import bundle_path
from latentlink.runtime.linking import ComponentSource, choose

SCENES = held_out()[:2]
PROMPTS = tuple(scene.caption for scene in SCENES)


def test_pictures_are_compared_and_judged() -> None:
    on_phase: list[tuple[int, int]] = []
    seen: list[tuple[int, ...]] = []

    def right(number: int, picture: PictureBatch) -> bool:
        seen.append((number, *picture.shape))
        return check(picture, SCENES[number]).right

    judge = Judge(prompts=PROMPTS, shows=right)
    with latentlink.load("demo") as pipe:
        found = measure_step_cache(
            pipe,
            2,
            ComparisonOptions(prompts=PROMPTS, count=2, steps=25, judge=judge),
            lambda done, total: on_phase.append((done, total)),
        )
        expected = [pipe.generate(PROMPTS[0], seed=0, steps=25, step_cache=n, guard="off").images[0] for n in (1, 2)]
    assert (found.every, found.steps, found.quality.pictures) == (2, 25, 2)
    assert len(found.quality.cosines) == 25
    assert found.quality.cosines[0] == 1  # the first step is whole
    assert found.quality.cosines[-1] < 1
    error = float(np.mean((np.asarray(expected[0], np.float64) - np.asarray(expected[1])) ** 2))
    apart = 10 * np.log10(255**2 / error)
    best = 2 * found.quality.psnr - found.quality.least_psnr  # of two, the median is their mean
    assert min(abs(best - apart), abs(found.quality.least_psnr - apart)) < 0.02
    assert on_phase == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert seen == [(0, 64, 64, 3), (1, 64, 64, 3)] * 2
    assert found.quality.judged == 2
    assert found.quality.right == found.quality.reference_right == 2


def test_it_is_kept_in_the_manifest() -> None:
    manifest = latentlink.load("demo").manifest
    kept = manifest.sampling.step_cache
    assert kept is not None
    assert Manifest.from_bytes(manifest.to_bytes()).sampling.step_cache == kept
    assert kept.quality.judged == len(held_out())
    record = kept.to_json()
    with pytest.raises(BundleError, match="every"):
        StepCache.from_json({**record, "every": 1})
    with pytest.raises(BundleError, match="steps"):
        StepCache.from_json({key: value for key, value in record.items() if key != "steps"})
    for key, value in (
        ("gate_psnr", []),
        ("gate_pictures", {}),
        ("gate_ssim", "high"),
        ("gate_cosines", None),
        ("x", 1),
    ):
        with pytest.raises(BundleError):
            StepCache.from_json({**record, key: value})


def test_an_engine_below_the_gate_is_skipped() -> None:
    source = partial(ComponentSource, component="denoiser", name="demo")
    with latentlink.load("demo") as pipe:
        same = measure_beside(pipe, pipe, ComparisonOptions(prompts=PROMPTS, count=2, steps=2))
    assert (same.psnr, same.cosines) == (100, (1, 1))
    engine = pipe.manifest.components["denoiser"].engines[0]
    bundle = Bundle.open(bundle_path("demo"), check_files=False)
    kept = with_quality(pipe.manifest, "denoiser", engine, same)
    assert Quality.of_parity(kept.components["denoiser"].engines[0].parity) == same
    assert choose(source(bundle=replace(bundle, manifest=kept)), "auto")[0].target == "ort-cpu"
    bad = with_quality(pipe.manifest, "denoiser", engine, replace(same, psnr=12.0))
    with pytest.raises(PreflightError, match=r"ort-cpu: its pictures are below the gate: PSNR 12\.0 dB"):
        choose(source(bundle=replace(bundle, manifest=bad)), "auto")
    with pytest.raises(UsageError, match="has no figures yet"):
        with_quality(pipe.manifest, "denoiser", replace(engine, parity=None), same)


def test_two_models_are_not_compared() -> None:
    with (
        latentlink.load("demo") as pipe,
        latentlink.load("demo-b") as other,
        pytest.raises(UsageError, match="expected two bundles of one model"),
    ):
        measure_beside(pipe, other, ComparisonOptions(prompts=PROMPTS))


@pytest.mark.parametrize(("every", "count", "prompts"), [(1, 1, PROMPTS), (2, 0, PROMPTS), (2, 1, ())])
def test_nothing_to_compare_is_refused(every: int, count: int, prompts: tuple[str, ...]) -> None:
    with latentlink.load("demo") as pipe, pytest.raises(UsageError, match=r"expected (at least|a whole number from 1)"):
        measure_step_cache(pipe, every, ComparisonOptions(prompts=prompts, count=count))
