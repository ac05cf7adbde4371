"""Every family, pipeline and sampler beside diffusers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from latentlink.bench.parity.case import Case
from latentlink.bench.parity.compare import BothSystems, Difference
from tests.parity.suite import NEGATIVE, SQUARE, SUBJECTS, VARIANTS, Subject

pytestmark = pytest.mark.slow


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--write-table", default=None) is not None
        listed = [
            # one worker for a checkpoint, so that it is exported and opened once
            pytest.param(subject, case, id=_named(subject, case), marks=pytest.mark.xdist_group(subject.checkpoint))
            for subject in SUBJECTS
            if whole or subject.checkpoint not in VARIANTS
            for case in (subject.every_case() if whole else subject.covering_cases())
        ]
        metafunc.parametrize(("subject", "case"), listed)


def _named(subject: Subject, case: Case) -> str:
    negative = "-negative" if case["negative_prompt"] else ""
    return f"{subject.name}-{case['sampler']}-{case['width']}x{case['height']}-{case['num_images']}{negative}"


def test_latents_and_pictures_are_those_of_diffusers(
    subject: Subject,
    case: Case,
    agreement_of: Callable[[Subject, Case], Difference],
    record: Callable[[tuple[str, ...], Difference], None],
) -> None:
    found = agreement_of(subject, case)
    record((subject.family, subject.pipeline, case["sampler"]), found)
    assert found.holds, found


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_the_covering_cases_have_every_value_and_every_sampler_at_every_size(subject: Subject) -> None:
    whole, covering = [*subject.every_case()], [*subject.covering_cases()]
    assert set(covering) <= set(whole)
    for value in ("num_images", "negative_prompt"):
        assert {case[value] for case in covering} == {case[value] for case in whole}
    pairs = [{(case["sampler"], case["width"], case["height"]) for case in listed} for listed in (covering, whole)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize(
    ("checkpoint", "sampler"),
    [
        pytest.param("tiny-sdxl", "heun", marks=pytest.mark.xdist_group("tiny-sdxl")),  # is told of sizes too
        pytest.param("tiny-sd3", "flow_heun", marks=pytest.mark.xdist_group("tiny-sd3")),
    ],
)
def test_guidance_within_an_interval_is_that_of_a_plain_loop(
    checkpoint: str, sampler: str, sides_of: Callable[[str], BothSystems]
) -> None:
    subject = next(subject for subject in SUBJECTS if subject.checkpoint == checkpoint)
    case = subject.case(sampler, SQUARE, 2, NEGATIVE).changed(guidance_interval=(0.4, 4.0))
    found = sides_of(checkpoint).compare(case)
    assert found.holds, found


@pytest.mark.xdist_group("tiny-sdxl")
def test_the_step_cache_is_that_of_a_plain_loop(sides_of: Callable[[str], BothSystems]) -> None:
    subject = next(subject for subject in SUBJECTS if subject.checkpoint == "tiny-sdxl")
    found = sides_of("tiny-sdxl").compare(subject.case("euler", SQUARE, 2, NEGATIVE).changed(step_cache=2))
    assert found.holds, found
