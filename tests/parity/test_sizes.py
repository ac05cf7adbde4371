"""Every family and pipeline beside diffusers at sizes that are no multiples of 64, and odd wherever a UNet halves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from latentlink.bench.parity.case import Case
from latentlink.bench.parity.compare import BothSystems, Difference
from latentlink.errors import UsageError
from tests.parity.suite import SUBJECTS, VARIANTS, Subject

pytestmark = pytest.mark.slow


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--write-table", default=None) is not None
        listed = [
            pytest.param(subject, case, id=_named(subject, case), marks=pytest.mark.xdist_group(subject.checkpoint))
            for subject in SUBJECTS
            if whole or subject.checkpoint not in VARIANTS
            for case in [*subject.odd_cases()][: None if whole else 1]
        ]
        metafunc.parametrize(("subject", "case"), listed)


def _named(subject: Subject, case: Case) -> str:
    return f"{subject.name}-{_size(case)}"


def _size(case: Case) -> str:
    return f"{case['width']}x{case['height']}"


def test_latents_and_pictures_are_those_of_diffusers(
    subject: Subject,
    case: Case,
    agreement_of: Callable[[Subject, Case], Difference],
    record: Callable[[tuple[str, ...], Difference], None],
) -> None:
    found = agreement_of(subject, case)
    record((subject.family, subject.pipeline, case["sampler"], _size(case)), found)
    assert found.holds, found


@pytest.mark.xdist_group("tiny-sdxl")
def test_the_step_cache_is_that_of_a_plain_loop(sides_of: Callable[[str], BothSystems]) -> None:
    subject = next(subject for subject in SUBJECTS if subject.checkpoint == "tiny-sdxl")
    found = sides_of("tiny-sdxl").compare(next(subject.odd_cases()).changed(step_cache=2))
    assert found.holds, found


@pytest.mark.parametrize(
    ("checkpoint", "multiple"),
    [
        pytest.param("tiny-sdxl-refiner", 8, marks=pytest.mark.xdist_group("tiny-sdxl-refiner")),
        pytest.param("tiny-flux-dev", 16, marks=pytest.mark.xdist_group("tiny-flux-dev")),
    ],
)
def test_a_size_between_the_multiples_is_refused_with_the_nearest(
    checkpoint: str, multiple: int, sides_of: Callable[[str], BothSystems]
) -> None:
    with pytest.raises(UsageError, match=f"not a multiple of {multiple}.* Use {64 + multiple} or {64 + 2 * multiple}"):
        sides_of(checkpoint).ours.generate("a", width=64 + multiple + multiple // 2, height=64, steps=1)
