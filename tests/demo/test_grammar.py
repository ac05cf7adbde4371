from __future__ import annotations

import pytest

from latentlink.demo.grammar import COLOURS, EXAMPLE, SHAPES, SIZES, held_out, parse, scenes, words


def test_every_scene_has_a_caption_of_its_own_that_parses_back() -> None:
    every = list(scenes())

    assert len(every) == len(SIZES) * len(SHAPES) * len(COLOURS) * (len(COLOURS) - 1)
    assert len({scene.caption for scene in every}) == len(every)
    assert all(parse(scene.caption) == scene for scene in every[::13])


def test_shape_and_background_never_have_one_colour() -> None:
    assert all(scene.colour != scene.background for scene in scenes())


def test_an_article_fits_the_word_that_follows() -> None:
    assert parse("an orange star on a red background").colour == "orange"
    assert parse("a small red star on an orange background").background == "orange"


def test_a_caption_outside_the_grammar_is_refused_with_an_example_of_one_inside() -> None:
    with pytest.raises(ValueError, match=EXAMPLE):
        parse("a photo of a cat")


def test_the_held_out_captions_are_the_ones_they_have_always_been() -> None:
    captions = [scene.caption for scene in held_out()]

    assert len(captions) == len(set(captions)) == 88
    assert captions[:4] == [
        "a red circle on a blue background",
        "a small green circle on a black background",
        "a large yellow circle on an orange background",
        "a black star on a green background",
    ]
    assert {scene.caption for scene in scenes() if scene.held_out} == set(captions)


def test_training_still_sees_every_word_of_the_held_out_captions() -> None:
    seen = {word for scene in scenes() if not scene.held_out for word in scene.caption.split()}

    assert seen == set(words())
