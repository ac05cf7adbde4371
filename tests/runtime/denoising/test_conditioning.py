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
from latentlink.runtime.denoising.conditioning import _condition, conditioning
from latentlink.runtime.linking import Linked
from latentlink.runtime.request import Request, resolve
from latentlink.runtime.sessions.clock import CLOCK

LONG = "a red circle on a blue background, " * 20


def request(defaults: Sampling, prompt: str, negative: str | None = "", guidance: float = 5.0) -> Request:
    return resolve(defaults, prompt, {"negative_prompt": negative, "seed": 0, "guidance": guidance})


def read(pipe: Pipeline, asked: Request, linked: Linked | None = None) -> dict[str, NDArray[np.floating]]:
    """What the denoiser reads in every row, by tensor name."""
    guided = np.array([asked.guidance > 1])
    made = conditioning(linked or pipe.linked, pipe._prompts, asked, guided)
    return {tensor: buffer.numpy() for tensor, buffer in made[bool(guided[0])].items()}


def text(pipe: Pipeline, prompt: str, negative: str | None = "", guidance: float = 1.0) -> NDArray[np.floating]:
    made = read(pipe, request(pipe.manifest.sampling, prompt, negative, guidance))
    return next(array for tensor, array in made.items() if tensor.startswith("text"))


def test_a_long_prompt_is_read_in_pieces_that_follow_each_other(demo: Pipeline) -> None:
    ids = demo._prompts["text_encoder"].tokens([LONG], 3).ids
    assert ids.shape == (1, 3, 77)
    assert (ids[0, :, 0] == ids[0, 0, 0]).all()  # each piece has a start of its own
    embedding = text(demo, LONG)
    assert embedding.shape[:2] == (1, 3 * 77)
    # the first piece is what the encoder makes of the first 75 tokens alone
    tokenizer = demo._prompts["text_encoder"]._tokenizer
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
    assert read(demo, request(demo.manifest.sampling, "a red circle"), linked)


def test_a_weight_moves_a_words_embedding_away_from_the_empty_prompts(demo: Pipeline) -> None:
    plain, empty = text(demo, "a red circle")[0], text(demo, "")[0]
    weighted = text(demo, "a (red:1.5) circle")[0]
    ids = demo._prompts["text_encoder"]._tokenizer.encode("a red circle", add_special_tokens=False)
    touched = [place + 1 for place, (start, end) in enumerate(ids.offsets) if 2 <= start < end <= 5]
    assert touched
    others = [place for place in range(77) if place not in touched]
    np.testing.assert_allclose(weighted[others], plain[others], atol=1e-5)
    wanted = empty[touched] + 1.5 * (plain[touched] - empty[touched])
    np.testing.assert_allclose(weighted[touched], wanted, rtol=1e-4, atol=1e-5)


def test_no_negative_prompt_is_zeros_where_the_model_was_trained_so(demo: Pipeline) -> None:
    defaults = replace(demo.manifest.sampling, unconditional="zeros")
    embedding = next(a for tensor, a in read(demo, request(defaults, "a red circle", None)).items() if "text" in tensor)
    assert (embedding[0] == 0).all()
    assert (embedding[1] != 0).any()
    # an empty one that was given is a prompt
    embedding = next(a for tensor, a in read(demo, request(defaults, "a red circle", "")).items() if "text" in tensor)
    assert (embedding[0] != 0).any()


def test_a_bundle_that_names_conditions_its_denoiser_lacks_changes_nothing(demo: Pipeline) -> None:
    defaults = replace(demo.manifest.sampling, conditions={"size": ((1.0, 2.0), None)})
    made = read(demo, request(defaults, "a red circle"))
    assert not [tensor for tensor in made if tensor.startswith("condition")]


def test_rows_with_and_without_guidance_read_the_same_prompts(demo: Pipeline) -> None:
    wanted = request(demo.manifest.sampling, "a red circle", "green")
    made = conditioning(demo.linked, demo._prompts, wanted, np.array([False, True, False]))
    assert {*made} == {False, True}
    for tensor, both in made[True].items():
        alone = made[False][tensor].numpy()
        rows = both.numpy()
        assert (len(rows), len(alone)) == (2 if tensor.startswith(("text", "feature")) else 1, 1)
        # a feature's buffer has any values before the denoiser has written it
        assert tensor.startswith("feature") or np.array_equal(rows[-1:], alone)


def test_a_conditions_unconditional_row_comes_first(demo: Pipeline) -> None:
    defaults = replace(demo.manifest.sampling, conditions={"score": ((6.0,), (2.5,))})
    guided = request(defaults, "a")
    port = condition_port("score", 1)
    np.testing.assert_array_equal(_condition(demo.linked.denoiser, port, guided, guided=True), [[2.5], [6.0]])
    np.testing.assert_array_equal(_condition(demo.linked.denoiser, port, guided, guided=False), [[6.0]])


def test_a_condition_that_the_manifest_does_not_know_is_damage(demo: Pipeline) -> None:
    with pytest.raises(BundleError, match="reads the condition 'score' of 1 numbers, but the manifest's sampling has"):
        asked = request(demo.manifest.sampling, "a")
        _condition(demo.linked.denoiser, condition_port("score", 1), asked, guided=False)


def test_resolved_conditions_follow_the_positive_ones_unless_the_model_says_otherwise(demo: Pipeline) -> None:
    told = {"size": ((1.0, 2.0), None), "score": ((6.0,), (2.5,))}
    defaults = replace(demo.manifest.sampling, conditions=told)
    nothing = request(defaults, "a")
    assert nothing.conditions == {"size": ((1.0, 2.0), (1.0, 2.0)), "score": ((6.0,), (2.5,))}
