"""Sizes and latents that a generation starts from, on the demo bundle: taken, or refused before anything runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Latents, Pipeline
from latentlink.runtime.request import Inputs, size_of

PROMPT = "a red circle on a blue background"


def latents(pipe: Pipeline, height: int = 8, width: int = 8) -> Latents:
    return Latents(array=np.zeros((1, 4, height, width), np.float32), space=pipe.space)


@pytest.mark.parametrize(
    ("asked", "size"),
    [({}, (128, 96)), ({"height": 32}, (128, 32)), ({"width": 64}, (64, 96)), ({"width": 32, "height": 48}, (32, 48))],
)
def test_each_side_that_nobody_asked_is_the_pictures(
    demo: Pipeline, asked: dict[str, Any], size: tuple[int, int]
) -> None:
    made = demo.generate(PROMPT, seed=1, steps=2, init_image=Image.new("RGB", (130, 100)), **asked)
    assert made.images[0].size == size


def test_a_size_that_nobody_asked_for_is_bounded() -> None:
    photograph = Inputs(images=[Image.new("1", (8000, 6000))])
    with pytest.raises(UsageError, match="the size of what it starts from, 8000x6000; expected at most 4194304 pixels"):
        size_of(photograph, None, None, multiple=8, downscale=8)
    assert size_of(photograph, 512, None, multiple=8, downscale=8) == (512, 6000)
    assert size_of(photograph, 8000, 6000, multiple=8, downscale=8) == (8000, 6000)
    large = Inputs(latents=np.zeros((1, 4, 512, 512), np.float32))
    with pytest.raises(UsageError, match="the size of what it starts from, 4096x4096"):
        size_of(large, None, None, multiple=8, downscale=8)
    assert size_of(large, 4096, 4096, multiple=8, downscale=8) == (4096, 4096)


def test_latents_give_their_size_also_where_it_is_asked(demo: Pipeline) -> None:
    sizes: list[dict[str, Any]] = [{}, {"width": 96}, {"width": np.int64(96), "height": 64}]
    for asked in sizes:
        made = demo.generate(PROMPT, steps=2, init_latents=latents(demo, 8, 12), decode=False, guard="off", **asked)
        assert made.latents.array.shape == (1, 4, 8, 12)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"width": 128}, "width is 128, but the latents to start from are of a picture of 64x64"),
        ({"width": 64, "height": 32}, "height is 32, but the latents"),
        ({"height": "64"}, "height is '64'; expected a whole number"),
    ],
)
def test_another_size_than_that_of_the_latents_is_refused(demo: Pipeline, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        demo.generate(PROMPT, init_latents=latents(demo), **asked)


def test_latents_of_a_size_that_the_model_lacks_are_told_as_latents(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match=r"^The latents to start from are of a picture of 64x72; expected .*of 16"):
        demo.generate(PROMPT, init_latents=latents(demo, 9, 8))


def test_latents_that_are_not_finite_are_refused_before_the_run(demo: Pipeline) -> None:
    broken = latents(demo)
    broken.array[0, 0, :2, 0] = np.nan, np.inf
    with pytest.raises(UsageError, match="The latents hold 2 values that are not finite"):
        demo.generate(PROMPT, init_latents=broken, on_step=lambda _: pytest.fail("it ran"))
    with pytest.raises(UsageError, match="not finite"):
        demo.decode(broken)


def test_latents_of_a_space_that_differs_in_one_number_alone_are_refused(demo: Pipeline) -> None:
    # the digest covers what shapes do not show, and so neither of these
    finer = Latents(array=latents(demo).array, space=replace(demo.space, downscale=4))
    with pytest.raises(LinkError, match="which differs in downscale"):
        demo.generate(PROMPT, init_latents=finer)
    shifted = Latents(array=latents(demo).array, space=replace(demo.space, mean=(0.0, 0.0, 0.0, 0.1)))
    with pytest.raises(LinkError, match="which differs in mean"):
        demo.decode(shifted)


def test_a_single_step_from_a_picture_is_a_step(demo: Pipeline) -> None:
    made = demo.generate(PROMPT, seed=1, steps=1, init_image=Image.new("RGB", (64, 64)))
    assert made.request.strength == 1


def test_a_closed_pipeline_says_so() -> None:
    pipe = latentlink.load("demo")
    pipe.close()
    with pytest.raises(UsageError, match="is closed"):
        pipe.generate(PROMPT)
