from __future__ import annotations

import numpy as np
import pytest

from latentlink.demo.check import check, nearest_colour
from latentlink.demo.draw import SIDE, STYLES, batch
from latentlink.demo.grammar import COLOURS, EXAMPLE, held_out, parse, scenes


@pytest.mark.parametrize("style", STYLES)
def test_every_drawn_scene_is_right_for_its_caption(style: str) -> None:
    every = list(scenes())
    verdicts = [check(picture, scene) for picture, scene in zip(_drawn(style), every, strict=True)]

    assert [verdict.scene.caption for verdict in verdicts if not verdict.right] == []
    # A small star of 15 pixels' radius can fill its box as a triangle does.
    assert sum(not verdict.right_shape for verdict in verdicts) <= len(every) // 100


@pytest.mark.parametrize("style", STYLES)
def test_no_drawn_scene_is_right_for_a_caption_with_another_colour_or_background(style: str) -> None:
    every = list(scenes())
    for number, picture in enumerate(_drawn(style)):
        for step in (1, 4, 29, 131, 300):
            asked = every[(number + step) % len(every)]
            same = (asked.colour, asked.background) == (every[number].colour, every[number].background)
            assert check(picture, asked).right == same


@pytest.mark.parametrize("style", STYLES)
def test_a_shape_and_a_background_that_changed_places_are_wrong(style: str) -> None:
    swapped = parse("a blue circle on a red background")
    picture = batch([swapped], style, np.random.default_rng(0))[0]

    assert check(picture, swapped).right
    assert not check(picture, parse(EXAMPLE)).right


def test_a_picture_without_a_shape_is_wrong() -> None:
    empty = np.full((SIDE, SIDE, 3), COLOURS["blue"], dtype=np.uint8)
    verdict = check(empty, parse(EXAMPLE))

    assert (verdict.background, verdict.colour, verdict.shape) == ("blue", "", "")
    assert not verdict.right


def test_a_speck_of_the_right_colour_is_not_a_shape() -> None:
    picture = np.full((SIDE, SIDE, 3), COLOURS["blue"], dtype=np.uint8)
    picture[30:36, 30:36] = COLOURS["red"]

    assert not check(picture, parse(EXAMPLE)).right


def test_a_contour_of_the_right_colour_does_not_stand_in_for_the_shape() -> None:
    picture = np.full((SIDE, SIDE, 3), COLOURS["blue"], dtype=np.uint8)
    picture[14:50, 14:50] = COLOURS["red"]
    picture[18:46, 18:46] = COLOURS["green"]

    assert check(picture, parse(EXAMPLE)).colour == "green"


def test_noise_is_right_for_no_caption() -> None:
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (16, SIDE, SIDE, 3), dtype=np.uint8)

    assert not any(check(picture, scene).right for picture in pictures for scene in held_out())


def test_grey_is_no_word_of_the_palette() -> None:
    assert nearest_colour(np.array([128.0, 128.0, 128.0])) == ""


@pytest.mark.parametrize(
    "picture",
    [np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE, 4), np.uint8), np.zeros((SIDE, SIDE, 3))],
)
def test_what_is_not_an_eight_bit_rgb_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 picture"):
        check(picture, parse(EXAMPLE))


def _drawn(style: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return batch(list(scenes()), style, np.random.default_rng(40))
