"""Prompts of any length, weights, and what stands for no negative prompt, on the demo bundle's own engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from latentlink.engine.bundle import Sampling
from latentlink.errors import BundleError, UsageError
from latentlink.ports import condition_port
from latentlink.runtime import Pipeline
from latentlink.runtime.denoising.conditioning import _numbers, conditions_of, read_texts
from latentlink.runtime.denoising.run import collect, on_host
from latentlink.runtime.linking import Linked
from latentlink.runtime.request import Request, resolve
from latentlink.runtime.sessions.clock import CLOCK

LONG = "a red circle on a blue background, " * 20


def request(defaults: Sampling, prompt: str, negative: str | None = "", guidance: float = 5.0) -> Request:
    (asked,) = resolve(defaults, prompt, {"negative_prompt": negative, "seed": 0, "guidance": guidance})
    return asked


def read(pipe: Pipeline, asked: Request, linked: Linked | None = None) -> NDArray[np.floating]:
    """The embeddings that the denoiser reads: with guidance, the unconditional one first."""
    (texts,) = read_texts(linked or pipe.linked, pipe.prompts, [asked], [asked.guidance > 1])
    (found,) = texts.values()
    halves = [found.unconditional, found.prompt] if asked.guidance > 1 else [found.prompt]
    return collect(pipe.linked.denoiser.session, halves).numpy()


def text(pipe: Pipeline, prompt: str, negative: str | None = "", guidance: float = 1.0) -> NDArray[np.floating]:
    return read(pipe, request(pipe.manifest.sampling, prompt, negative, guidance))


def test_a_long_prompt_is_read_in_pieces_that_follow_each_other(demo: Pipeline) -> None:
    ids = demo.prompts["text_encoder"].tokens([LONG], 3).ids
    assert ids.shape == (1, 3, 77)
    assert (ids[0, :, 0] == ids[0, 0, 0]).all()  # each piece has a start of its own
    embedding = text(demo, LONG)
    assert embedding.shape[:2] == (1, 3 * 77)
    # the first piece is what the encoder makes of the first 75 tokens alone
    tokenizer = demo.prompts["text_encoder"]._tokenizer
    first = LONG[: tokenizer.encode(LONG, add_special_tokens=False).offsets[74][1]]
    np.testing.assert_allclose(embedding[0, :77], text(demo, first)[0], rtol=1e-4, atol=1e-5)


def test_a_negative_prompt_is_padded_to_the_pieces_of_the_prompt(demo: Pipeline) -> None:
    embedding = text(demo, LONG, "green", guidance=5.0)
    assert embedding.shape[:2] == (2, 3 * 77)
    np.testing.assert_allclose(embedding[0, 77:154], embedding[0, 154:], rtol=1e-4, atol=1e-5)


def test_a_prompt_longer_than_the_denoiser_was_built_for_is_refused_before_anything_is_encoded(demo: Pipeline) -> None:
    built = replace(demo.linked.denoiser, limits={"S": (77, 77, 154)})
    linked = replace(demo.linked, denoiser=built)
    before = CLOCK.engines
    with pytest.raises(UsageError, match=r"read in 3 pieces = 231 tokens, but denoiser of demo .* at most 154"):
        read(demo, request(demo.manifest.sampling, LONG), linked)
    assert CLOCK.engines == before
    assert read(demo, request(demo.manifest.sampling, "a red circle"), linked).shape[1] == 77


def test_a_weight_moves_a_words_embedding_away_from_the_empty_prompts(demo: Pipeline) -> None:
    plain, empty = text(demo, "a red circle")[0], text(demo, "")[0]
    weighted = text(demo, "a (red:1.5) circle")[0]
    ids = demo.prompts["text_encoder"]._tokenizer.encode("a red circle", add_special_tokens=False)
    touched = [place + 1 for place, (start, end) in enumerate(ids.offsets) if 2 <= start < end <= 5]
    assert touched
    others = [place for place in range(77) if place not in touched]
    np.testing.assert_allclose(weighted[others], plain[others], atol=1e-5)
    wanted = empty[touched] + 1.5 * (plain[touched] - empty[touched])
    np.testing.assert_allclose(weighted[touched], wanted, rtol=1e-4, atol=1e-5)


def test_no_negative_prompt_is_zeros_where_the_model_was_trained_so(demo: Pipeline) -> None:
    defaults = replace(demo.manifest.sampling, unconditional="zeros")
    embedding = read(demo, request(defaults, "a red circle", None))
    assert (embedding[0] == 0).all()
    assert (embedding[1] != 0).any()
    # an empty one that was given is a prompt
    embedding = read(demo, request(defaults, "a red circle", ""))
    assert (embedding[0] != 0).any()


def test_a_bundle_that_names_conditions_its_denoiser_lacks_changes_nothing(demo: Pipeline) -> None:
    defaults = replace(demo.manifest.sampling, conditions={"size": ((1.0, 2.0), None)})
    assert conditions_of(demo.linked.denoiser, request(defaults, "a red circle")) == {}


def test_every_picture_has_the_pieces_of_its_own_prompts(demo: Pipeline) -> None:
    asked = resolve(demo.sampling, ["a red circle", LONG, "a red circle"], {"negative_prompt": ["", "", LONG]})
    texts = [next(iter(one.values())) for one in read_texts(demo.linked, demo.prompts, asked, [True, True, True])]
    assert [one.prompt.shape[0] for one in texts] == [77, 3 * 77, 3 * 77]
    for one, other in zip(texts, asked, strict=True):
        assert one.unconditional is not None
        assert one.unconditional.shape == one.prompt.shape
        (alone,) = read_texts(demo.linked, demo.prompts, [other], [True])
        for slot, expected in zip(one, next(iter(alone.values())), strict=True):
            assert slot is not None
            assert expected is not None
            np.testing.assert_array_equal(on_host([slot]), on_host([expected]))


def test_equal_prompts_are_encoded_once_and_no_negative_prompt_where_nobody_reads_it(demo: Pipeline) -> None:
    asked = resolve(demo.sampling, ["a", "b", "a"], {"negative_prompt": "c", "num_images": 2})
    texts = [next(iter(one.values())) for one in read_texts(demo.linked, demo.prompts, asked, [False] * 6)]
    assert [one.prompt.row for one in texts] == [0, 0, 1, 1, 0, 0]
    assert {one.prompt.rows for one in texts} == {2}
    assert {one.unconditional for one in texts} == {None}


def test_a_condition_has_numbers_of_its_own_for_unconditional_rows(demo: Pipeline) -> None:
    defaults = replace(demo.manifest.sampling, conditions={"score": ((6.0,), (2.5,))})
    port = condition_port("score", 1)
    assert _numbers(demo.linked.denoiser, port, request(defaults, "a")) == ((6.0,), (2.5,))


def test_a_condition_that_the_manifest_does_not_know_is_damage(demo: Pipeline) -> None:
    with pytest.raises(BundleError, match="reads the condition 'score' of 1 numbers, but the manifest's sampling has"):
        asked = request(demo.manifest.sampling, "a")
        _numbers(demo.linked.denoiser, condition_port("score", 1), asked)


def test_resolved_conditions_follow_the_positive_ones_unless_the_model_says_otherwise(demo: Pipeline) -> None:
    told = {"size": ((1.0, 2.0), None), "score": ((6.0,), (2.5,))}
    defaults = replace(demo.manifest.sampling, conditions=told)
    nothing = request(defaults, "a")
    assert nothing.conditions == {"size": ((1.0, 2.0), (1.0, 2.0)), "score": ((6.0,), (2.5,))}
