"""Prompts that were encoded before: the same pictures, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Pipeline
from latentlink.runtime.text import PromptEmbeddings

PROMPT = "a red circle on a blue background"
SETTINGS: dict[str, Any] = {"seed": 3, "steps": 6, "sampler": "euler"}


def test_encoded_prompts_make_the_same_pictures_without_the_text_encoder(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, negative = [PROMPT, "a green square, " * 30], "blurry"
    wanted = demo.generate(prompts, negative_prompt=negative, num_images=2, **SETTINGS)
    encoded = demo.encode_prompt(prompts, negative_prompt=negative)
    assert encoded.prompts == tuple(prompts)
    assert encoded.negative_prompts == ("blurry", "blurry")
    assert encoded.nbytes > 0
    assert "2 prompts" in repr(encoded)
    (encoder,) = (engine.session for engine in demo.engines if engine.component == "text_encoder")
    monkeypatch.setattr(encoder, "run", lambda *_: pytest.fail("the text encoder ran"))
    for one in (encoded, pickle.loads(pickle.dumps(encoded))):
        made = demo.generate(one, num_images=2, **SETTINGS)
        assert np.array_equal(made.latents.array, wanted.latents.array)
        assert [request.prompt for request in made.requests] == [prompts[0], prompts[0], prompts[1], prompts[1]]
        assert made.requests[0].negative_prompt == "blurry"
    off = demo.generate(encoded, num_images=2, guidance=1.0, **SETTINGS)  # guidance is chosen later
    assert np.isfinite(off.latents.array).all()


def test_encoded_prompts_of_another_model_are_refused(demo: Pipeline, demo_b: Pipeline) -> None:
    encoded = demo_b.encode_prompt(PROMPT)
    with pytest.raises(LinkError, match="Prompt 1 was encoded to text__"):
        demo.generate(encoded, **SETTINGS)
    with pytest.raises(UsageError, match="negative_prompt beside prompts that were encoded"):
        demo.generate(demo.encode_prompt(PROMPT), negative_prompt="x", **SETTINGS)
    with pytest.raises(UsageError, match="Received int for a prompt"):
        demo.encode_prompt(5)  # type: ignore[arg-type]


def pair(encoded: PromptEmbeddings) -> tuple[Any, Any, str]:
    """The first prompt's arrays, and their tensor's name."""
    ((tensor, (prompt, negative)),) = encoded.arrays[0].items()
    return prompt, negative, tensor


def with_arrays(change: Callable[[Any, Any], Any]) -> Callable[[PromptEmbeddings], PromptEmbeddings]:
    """The same prompts with other arrays for the first."""

    def changed(encoded: PromptEmbeddings) -> PromptEmbeddings:
        prompt, negative, tensor = pair(encoded)
        return replace(encoded, arrays=({tensor: change(prompt, negative)}, *encoded.arrays[1:]))

    return changed


TAMPERED: dict[str, tuple[Callable[[PromptEmbeddings], PromptEmbeddings], str]] = {
    "a negative prompt of another length": (with_arrays(lambda p, n: (p, n[:5])), "for the negative prompt too"),
    "no tokens": (with_arrays(lambda p, n: (p[:0], n[:0])), r"has float32 \[0, "),
    "another width": (with_arrays(lambda p, n: (p[:, :5], n[:, :5])), "expected float32 of"),
    "another rank": (with_arrays(lambda p, n: (p[0], n[0])), "expected float32 of"),
    "float64": (with_arrays(lambda p, n: (p.astype(np.float64), n)), "has float64"),
    "objects": (with_arrays(lambda p, n: (p.astype(object), n)), "has object"),
    "an array in the place of two": (with_arrays(lambda p, n: p), "and NoneType for"),
    "lists": (with_arrays(lambda p, n: (p.tolist(), n.tolist())), "has list and list"),
    "no negative prompt": (with_arrays(lambda p, n: (p, None)), "and NoneType for"),
    "arrays of one prompt": (lambda one: replace(one, arrays=one.arrays[:1]), "2 prompts, 2 negative prompts and"),
    "one negative prompt": (lambda one: replace(one, negative_prompts=("",)), "2 prompts, 1 negative prompts and"),
    "nothing": (lambda one: replace(one, prompts=(), negative_prompts=(), arrays=()), "at least one"),
    "a tensor more": (
        lambda one: replace(one, arrays=({**one.arrays[0], "text__other": pair(one)[:2]}, one.arrays[1])),
        "Prompt 1 was encoded to text__",
    ),
    "a tensor less": (lambda one: replace(one, arrays=(one.arrays[0], {})), "Prompt 2 was encoded to nothing"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_encode_prompt_would_not_make_is_refused_in_a_sentence(demo: Pipeline, how: str) -> None:
    change, says = TAMPERED[how]
    encoded = demo.encode_prompt([PROMPT, "a green star"])
    with pytest.raises((UsageError, LinkError), match=says):
        demo.generate(change(encoded), **SETTINGS)
    assert demo.generate(encoded, **SETTINGS).images


def test_more_tokens_than_the_denoiser_was_built_for_are_refused(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = demo.encode_prompt("a red circle, " * 40)
    built = replace(demo.linked.denoiser, limits={"S": (77, 77, 77)})
    monkeypatch.setattr(demo, "_linked", replace(demo.linked, denoiser=built))
    with pytest.raises(UsageError, match=r"has float32 \[[0-9]+, "):
        demo.generate(encoded, **SETTINGS)
