"""Every sampler on the demo model beside diffusers; `python -m latentlink.bench.parity` runs the whole grid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from latentlink.bench.parity import MAX_RELATIVE, MIN_PSNR, SCHEDULERS, Case, Sides
from latentlink.demo import checkpoint
from latentlink.runtime.samplers import SAMPLERS

PROMPT = "a large yellow star on a purple background"


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    both = Sides(checkpoint("demo"), "demo")
    yield both
    both.ours.close()


def test_every_sampler_is_compared() -> None:
    assert {*SAMPLERS} == {*SCHEDULERS}


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize(
    ("seed", "guidance", "num_images", "width"),
    [
        pytest.param(0, 1.0, 3, 64, id="three pictures unguided"),
        pytest.param(1, 5.0, 1, 96, id="one wide picture guided"),
    ],
)
def test_latents_and_pictures_are_those_of_diffusers(
    sides: Sides, sampler: str, seed: int, guidance: float, num_images: int, width: int
) -> None:
    case = Case(sampler=sampler, seed=seed, guidance=guidance, num_images=num_images, width=width, height=64, steps=10)
    found = sides.compare(case, PROMPT)
    assert found.relative <= MAX_RELATIVE
    assert found.psnr >= MIN_PSNR
