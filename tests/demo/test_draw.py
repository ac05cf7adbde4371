from __future__ import annotations

import numpy as np
import pytest

from latentlink.demo.draw import SIDE, STYLES, batch, draw, patchwork
from latentlink.demo.grammar import EXAMPLE, parse, scenes


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_draws_the_same_picture_and_another_seed_another(style: str) -> None:
    one, same, other = (np.asarray(draw(parse(EXAMPLE), style, np.random.default_rng(seed))) for seed in (5, 5, 6))

    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_batch_is_uint8_pictures_of_the_models_size() -> None:
    pictures = batch(list(scenes())[:3], "flat", np.random.default_rng(0))

    assert pictures.shape == (3, SIDE, SIDE, 3)
    assert pictures.dtype == np.uint8


def test_only_the_outlined_style_has_light_from_above() -> None:
    flat, outlined = (np.asarray(draw(parse(EXAMPLE), style, np.random.default_rng(1))).astype(int) for style in STYLES)

    assert np.array_equal(flat[0, 0], flat[-1, 0])
    assert (outlined[0, 0] > outlined[-1, 0]).all()


def test_patchworks_are_of_every_fineness_and_the_same_for_a_seed() -> None:
    pictures, again = (patchwork(np.random.default_rng(5), 64, side=16) for _ in range(2))

    assert pictures.shape == (64, 16, 16, 3)
    assert pictures.dtype == np.uint8
    assert np.array_equal(pictures, again)
    colours = [len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in pictures[::2]]
    assert min(colours) <= 2
    assert max(colours) > 100
