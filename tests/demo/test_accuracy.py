"""The bundles that ship draw what is asked: 64 captions never trained on, and the same share as in diffusers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import latentlink
from latentlink.demo import NAMES, checkpoint
from latentlink.demo.check import check
from latentlink.demo.grammar import held_out
from latentlink.demo.sampling import GUIDANCE, STEPS, decode, load_pipeline
from tests.demo.conftest import CAPTIONS

SCENES = held_out()[:CAPTIONS]


def share(pictures: list[NDArray[np.uint8]]) -> float:
    """Share of the pictures whose shape colour and background colour are those of the caption, 0 to 1."""
    right = [check(picture, scene).right for picture, scene in zip(pictures, SCENES, strict=True)]
    return sum(right) / len(right)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_at_least_nine_of_ten_have_the_right_colours_as_in_diffusers(
    name: str, latents_of: Callable[[str], NDArray[np.float32]]
) -> None:
    captions = [scene.caption for scene in SCENES]
    with latentlink.load(name) as pipe:
        made = pipe.generate(captions, seed=range(64), steps=STEPS, guidance=GUIDANCE, sampler="ddim")
    ours = share([np.asarray(image) for image in made.images])
    theirs = share([*decode(load_pipeline(checkpoint(name)).vae, torch.from_numpy(latents_of(name)))])
    assert ours >= 0.9
    assert abs(ours - theirs) <= 0.02
