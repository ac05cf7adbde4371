"""What a generation starts from: pictures, masks, and latents that have come half of the way, on the demo bundle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import latentlink
from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Pipeline

PROMPT = "a red circle on a blue background"
OTHER = "a green square on a yellow background"


@pytest.fixture(scope="module")
def demo() -> Iterator[Pipeline]:
    with latentlink.load("demo") as pipe:
        yield pipe


@pytest.fixture(scope="module")
def picture(demo: Pipeline) -> Image.Image:
    return demo.generate(PROMPT, seed=7, steps=10).images[0]


def left_half() -> Image.Image:
    """White on the left, where to paint."""
    return Image.fromarray(np.repeat([[255] * 32 + [0] * 32], 64, axis=0).astype(np.uint8))


def apart(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("sampler", ["ddim", "euler", "euler_a"])
def test_a_run_handed_over_half_way_is_the_whole_run(demo: Pipeline, sampler: str) -> None:
    whole = demo.generate(PROMPT, seed=3, steps=10, sampler=sampler).latents.array
    first = demo.generate(PROMPT, seed=3, steps=10, sampler=sampler, denoising_end=0.6, decode=False)
    assert first.images == []
    rest = demo.generate(PROMPT, seed=3, steps=10, sampler=sampler, denoising_start=0.6, init_latents=first.latents)
    if sampler == "euler_a":  # the rest draws its noise anew
        assert apart(rest.latents.array, whole) > 1e-2
    else:
        assert apart(rest.latents.array, whole) < 1e-5


def test_less_strength_stays_nearer_to_the_picture(demo: Pipeline, picture: Image.Image) -> None:
    clean = demo.encode([picture]).array
    distances = [
        apart(demo.generate(PROMPT, seed=1, steps=10, init_image=picture, strength=strength).latents.array, clean)
        for strength in (0.1, 0.3, 0.7)
    ]
    assert distances == sorted(distances)


@pytest.mark.parametrize("sampler", ["ddim", "pndm", "unipc", "heun", "lcm"])
def test_outside_a_mask_the_latent_is_the_pictures_and_inside_it_another(
    demo: Pipeline, picture: Image.Image, sampler: str
) -> None:
    made = demo.generate(OTHER, seed=1, steps=10, sampler=sampler, init_image=picture, mask_image=left_half())
    clean = demo.encode([picture]).array
    # the posterior's own spread: one sample of it is kept, and its mode is compared with
    assert apart(made.latents.array[..., 4:], clean[..., 4:]) < 0.1
    assert apart(made.latents.array[..., :4], clean[..., :4]) > 0.5


def test_one_picture_a_prompt_starts_that_prompts_pictures(demo: Pipeline, picture: Image.Image) -> None:
    blank = Image.new("RGB", (64, 64), "white")
    both = demo.generate([OTHER, PROMPT], seed=[1, 2], steps=5, init_image=[picture, blank], strength=0.3)
    alone = demo.generate(PROMPT, seed=[2], steps=5, init_image=blank, strength=0.3)
    assert apart(both.latents.array[1:], alone.latents.array) < 1e-5


def test_a_picture_of_another_size_is_resampled_or_gives_its_own_size(demo: Pipeline, picture: Image.Image) -> None:
    large = picture.resize((130, 70))
    assert demo.generate(OTHER, seed=1, steps=3, init_image=large).images[0].size == (128, 64)
    assert demo.generate(OTHER, seed=1, steps=3, init_image=large, width=64, height=64).images[0].size == (64, 64)


def test_latents_of_another_space_are_refused_with_the_transfer(demo: Pipeline) -> None:
    with latentlink.load("demo-b") as other:
        half = other.generate(PROMPT, seed=1, steps=4, denoising_end=0.5, decode=False).latents
    with pytest.raises(LinkError, match="latentlink transfer"):
        demo.generate(PROMPT, init_latents=half, denoising_start=0.5)


def test_latents_that_are_no_batch_of_this_size_are_refused(demo: Pipeline) -> None:
    two = demo.generate(PROMPT, seed=1, steps=2, num_images=2, decode=False).latents
    with pytest.raises(UsageError, match="2 latents to start from for 3 pictures"):
        demo.generate(PROMPT, num_images=3, init_latents=two)


def test_the_bundles_condition_names_are_told_where_one_is_unknown(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match="expected none"):
        demo.generate(PROMPT, conditions={"crop": (0, 0)})
