"""The step cache: which rows it is, what they cost, when it is on, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import latentlink
from latentlink.engine.bundle import StepCache
from latentlink.engine.quality import Quality
from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Pipeline
from latentlink.runtime.denoising import guided_rows
from latentlink.runtime.denoising.run import shallow_rows
from latentlink.runtime.denoising.step_cache import Unmeasured
from tests.runtime.request.test_resolved import asked

PROMPT = "a red circle on a blue background"
SHALLOW = "denoiser_shallow"


def quality(least: float, cosine: float = 0.999) -> Quality:
    return Quality(pictures=2, cosines=(cosine,), psnr=least + 5, least_psnr=least, ssim=0.99, least_ssim=0.98)


@pytest.fixture
def calls(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which engine made each row: `whole` or `shallow`."""
    made: list[str] = []
    linked = demo.linked
    assert linked.shallow is not None
    for title, engine in (("whole", linked.denoiser), ("shallow", linked.shallow)):
        run = engine.session.run

        def counted(inputs: Mapping[str, Any], outputs: Mapping[str, Any], title: str = title, run: Any = run) -> Any:
            made.append(title)
            return run(inputs, outputs)

        monkeypatch.setattr(engine.session, "run", counted)
    yield made


def reused(demo: Pipeline, **arguments: Any) -> list[bool]:
    """Rows that read an earlier feature."""
    request = asked(demo.sampling, **({"steps": 6, "sampler": "euler"} | arguments))
    table = request.table()
    found: list[bool] = shallow_rows(
        table, request.step_cache, guided_rows(demo.linked.denoiser, request, table)
    ).tolist()
    return found


def test_the_shallow_engine_runs_between_whole_ones(demo: Pipeline, calls: list[str]) -> None:
    demo.generate(PROMPT, seed=1, steps=5, sampler="euler", step_cache=2)
    assert calls == ["whole", "shallow", "whole", "shallow", "whole"]


def test_an_interval_of_1_and_none_are_the_whole_denoiser(demo: Pipeline, calls: list[str]) -> None:
    one, none = (demo.generate(PROMPT, seed=1, steps=3, step_cache=n).latents.array for n in (1, None))
    assert np.array_equal(one, none)
    assert calls == ["whole"] * 6


def test_it_moves_the_picture_little(demo: Pipeline) -> None:
    whole, two, five = (demo.generate(PROMPT, seed=1, step_cache=n).latents.array for n in (1, 2, 5))
    near, far = (float(np.linalg.norm(other - whole) / np.linalg.norm(whole)) for other in (two, five))
    # Demo pictures at 25 steps are 0.03 to 0.1 of their norm apart; a decoder's noise would be at 1.
    assert 0 < near < 0.2
    assert near < far


def test_both_calls_of_a_solver_are_of_one_kind(demo: Pipeline) -> None:
    assert reused(demo, sampler="heun", steps=4, step_cache=2) == [False, False, True, True, False, False, True]


def test_a_start_from_a_picture_begins_with_the_whole_denoiser(demo: Pipeline) -> None:
    rows = reused(demo, steps=6, strength=0.5, step_cache=2)
    assert rows == [False, True, False]


def test_where_guidance_begins_or_ends_the_feature_is_made_anew(demo: Pipeline) -> None:
    rows = reused(demo, guidance=5.0, guidance_interval=(0.4, 5.0), step_cache=3)
    # guided at rows 1 to 4; by steps alone rows 0 and 3 would be whole
    assert rows == [False, False, True, False, True, False]


def test_guidance_within_an_interval_goes_with_it(demo: Pipeline, calls: list[str]) -> None:
    demo.generate(PROMPT, seed=1, steps=6, sampler="euler", guidance=5.0, guidance_interval=(0.4, 5.0), step_cache=3)
    assert calls == ["whole", "whole", "shallow", "whole", "shallow", "whole"]


@pytest.mark.parametrize(
    ("measured", "steps", "expected"),
    [
        (None, 10, 1),
        (quality(34.0), 10, 1),
        (quality(36.0), 10, 3),
        (quality(36.0), 11, 3),
        (quality(36.0), 9, 1),  # neighbouring steps are less alike than in the runs that were measured
        (quality(36.0, cosine=0.9), 10, 1),
    ],
)
def test_it_is_on_by_itself_only_where_it_was_measured_to_be_free(
    demo: Pipeline, measured: Quality | None, steps: int, expected: int
) -> None:
    cache = None if measured is None else StepCache(every=3, steps=10, quality=measured)
    sampling = replace(demo.sampling, step_cache=cache)
    assert asked(sampling, steps=steps, shallow=True).step_cache == expected
    assert asked(sampling, steps=steps, shallow=False).step_cache == 1
    assert asked(sampling, steps=steps, shallow=True, step_cache=2).step_cache == 2


def test_what_was_measured_to_be_below_the_gate_is_refused(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = StepCache(every=2, steps=3, quality=quality(15.0))
    monkeypatch.setattr(demo, "sampling", replace(demo.sampling, step_cache=bad))
    with pytest.raises(UsageError, match=r"with step_cache 2 and 3 steps are below the gate: PSNR 20\.0 dB"):
        demo.generate(PROMPT, steps=3, step_cache=2)
    assert demo.generate(PROMPT, seed=1, steps=3, step_cache=3).unmeasured_cache == Unmeasured(
        every=3, measured_steps=None
    )
    good = StepCache(every=2, steps=10, quality=quality(36.0))
    monkeypatch.setattr(demo, "sampling", replace(demo.sampling, step_cache=good))
    assert demo.generate(PROMPT, seed=1, steps=3, step_cache=2).unmeasured_cache == Unmeasured(
        every=2, measured_steps=10
    )
    assert demo.generate(PROMPT, seed=1, steps=10, step_cache=2).unmeasured_cache is None


def test_a_bundle_without_a_shallow_denoiser_refuses_it(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_linked", replace(demo.linked, shallow=None))
    with pytest.raises(UsageError, match="demo has none that runs here") as refusal:
        demo.generate(PROMPT, steps=3, step_cache=2)
    assert "--step-cache 1" in refusal.value.remedy


@pytest.mark.parametrize("value", [0, 1.5, "2", True, 1001])
def test_an_interval_is_a_whole_number(demo: Pipeline, value: Any) -> None:
    with pytest.raises(UsageError, match=r"step_cache is .*; expected a whole number from 1 to 1000"):
        demo.generate(PROMPT, steps=3, step_cache=value)


def test_the_shallow_denoiser_of_another_model_is_not_linked() -> None:
    with pytest.raises(LinkError, match="they were cut from different networks, or at different places"):
        latentlink.load("demo", replace={SHALLOW: "demo-b"})


def test_a_denoiser_brings_its_own_shallow_one(calls: list[str]) -> None:
    with pytest.raises(LinkError) as refusal:
        latentlink.load("demo", replace={"denoiser": "demo-b"})
    assert "feature" not in refusal.value.message  # the text encoder is what does not fit
