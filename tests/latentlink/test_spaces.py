"""Latent spaces as values: they check themselves, and their digest covers what shapes cannot show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.errors import SymbolError
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding

finite = st.floats(-100, 100)
positive = st.floats(1e-3, 100)


@st.composite
def spaces(draw: st.DrawFn) -> LatentSpace:
    channels = draw(st.integers(1, 32))
    per_channel = st.lists(positive, min_size=channels, max_size=channels).map(tuple)
    return LatentSpace(
        name=draw(st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8})?", fullmatch=True)),
        channels=channels,
        downscale=draw(st.integers(1, 64)),
        scaling=draw(positive),
        shift=draw(finite),
        mean=draw(st.one_of(st.none(), per_channel)),
        std=draw(st.one_of(st.none(), per_channel)),
        patch=draw(st.integers(1, 4)),
        weights=draw(st.one_of(st.none(), st.from_regex(r"[0-9a-f]{64}", fullmatch=True))),
    )


@given(spaces())
def test_a_space_is_read_back_from_its_record(space: LatentSpace) -> None:
    again = LatentSpace.from_json(space.to_json())
    assert again == space
    assert again.digest == space.digest


@given(spaces(), st.sampled_from(["scaling", "shift", "patch", "weights"]))
def test_the_digest_changes_with_every_number_that_shapes_do_not_show(space: LatentSpace, what: str) -> None:
    other: dict[str, Any] = {
        "scaling": space.scaling * 2,
        "shift": space.shift + 1,
        "patch": space.patch + 1,
        "weights": "0" * 63 + ("1" if space.weights != "0" * 63 + "1" else "2"),
    }
    assert replace(space, **{what: other[what]}).digest != space.digest


def test_the_digest_of_a_known_space_never_changes() -> None:
    # engines in the field carry these: a change here makes every one of them unreadable
    assert {name: KNOWN_SPACES[name].digest for name in ("sd", "sdxl", "sd3", "flux1")} == {
        "sd": "e7f5a7e2",
        "sdxl": "1829a6f6",
        "sd3": "d337b9a3",
        "flux1": "f39f9bb1",
    }


def test_no_two_known_spaces_share_a_symbol() -> None:
    identities = {(space.name, space.channels, space.downscale, space.digest) for space in KNOWN_SPACES.values()}
    assert len(identities) == len(KNOWN_SPACES)
    assert all(name == space.name for name, space in KNOWN_SPACES.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Two__parts"},
        {"channels": 0},
        {"channels": 4.0},
        {"scaling": 0},
        {"scaling": float("nan")},
        {"shift": float("inf")},
        {"mean": [1.0, 2.0]},
        {"std": [1.0, 1.0, 1.0, 0.0]},
        {"weights": "abc"},
        {"unknown": 1},
    ],
)
def test_a_record_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    record = KNOWN_SPACES["sd"].to_json() | wrong
    with pytest.raises(SymbolError):
        LatentSpace.from_json(record)


def test_a_text_embedding_is_told_apart_by_its_encoders_weights() -> None:
    one = TextEmbedding(name="mine", width=64, weights="a" * 64)
    assert one.digest != replace(one, weights="b" * 64).digest
    assert TextEmbedding.from_json(one.to_json()) == one


def test_a_pooled_vector_and_its_projection_are_two_embeddings_though_equally_wide() -> None:
    pooled, projected = (TextEmbedding(name="clip_l", width=768, output=output) for output in ("pooled", "projected"))
    assert pooled.pooled
    assert projected.pooled
    assert pooled.digest != projected.digest
