"""Latent spaces from evidence: what is known is named, what contradicts is refused, nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from latentlink.errors import CheckpointError
from latentlink.export.parts import text_embedding
from latentlink.export.parts.identity import latent_space, weights_sha256
from latentlink.spaces import KNOWN_SPACES, LatentSpace

STATE = {
    "encoder.conv.weight": torch.arange(12.0).reshape(3, 4),
    "quant_conv.weight": torch.ones(2, 2),
    "decoder.conv.weight": torch.zeros(3),
}
CONFIG = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}


def decide(
    config: Mapping[str, Any],
    *,
    candidate: str | None = None,
    option: str | LatentSpace | None = None,
    state: Any = None,
) -> LatentSpace:
    return latent_space(
        config=config,
        vae_state=state or STATE,
        candidate=KNOWN_SPACES[candidate] if candidate else None,
        option=option,
        label="mine",
    )


def test_an_absent_scaling_factor_of_the_published_architecture_means_the_familys() -> None:
    assert decide(CONFIG, candidate="sd") == KNOWN_SPACES["sd"]


def test_an_absent_scaling_factor_without_other_evidence_is_a_question() -> None:
    with pytest.raises(CheckpointError, match="--space"):
        decide(CONFIG)


def test_a_scaling_factor_that_is_not_the_familys_is_a_space_of_its_own() -> None:
    space = decide(CONFIG | {"scaling_factor": 0.5}, candidate="sd")
    assert (space.name, space.scaling) == ("mine", 0.5)
    assert space.weights is not None


def test_what_the_user_names_is_taken_where_the_config_does_not_contradict() -> None:
    assert decide(CONFIG, option="sdxl") == KNOWN_SPACES["sdxl"]
    with pytest.raises(CheckpointError, match="--space sdxl means"):
        decide(CONFIG | {"scaling_factor": 0.18215}, option="sdxl")
    with pytest.raises(CheckpointError, match="16 channels"):
        decide(CONFIG | {"latent_channels": 16}, option="sdxl")


HOUSE = LatentSpace(name="house", channels=4, downscale=8, scaling=0.5, weights="1" * 64)


@pytest.mark.parametrize("stated", [{}, {"scaling_factor": 0.5}])
def test_a_space_that_the_user_gives_is_taken_whatever_the_encoder_is(stated: Mapping[str, Any]) -> None:
    assert decide({**CONFIG, **stated}, option=HOUSE) == HOUSE
    assert decide({**CONFIG, **stated}, option=HOUSE, candidate="sd") == HOUSE


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"scaling_factor": 0.6},
            r"--space-of means house \(.*scaling 0\.5, .*\), but .* /8, scaling 0\.6\.",
        ),
        ({"shift_factor": 0.1}, "4 channels, /8, shift 0.1"),
        ({"latent_channels": 16}, "16 channels, /8, scaling none"),
        ({"block_out_channels": [32, 32]}, "4 channels, /2, scaling none"),
    ],
)
def test_a_space_that_the_user_gives_is_refused_where_the_config_contradicts(
    config: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        decide({**CONFIG, **config}, option=HOUSE)


def test_the_question_lists_the_known_spaces_that_fit_with_their_numbers() -> None:
    with pytest.raises(
        CheckpointError, match=r"sd \(4 channels, /8, scaling 0\.18215\); sdxl .*--space sd\|sdxl"
    ) as four:
        decide(CONFIG)
    assert "flux1" not in str(four.value)
    with pytest.raises(CheckpointError, match=r"sd3 \(.*shift 0\.0609\); flux1 .*--space sd3\|flux1"):
        decide(CONFIG | {"latent_channels": 16})
    with pytest.raises(CheckpointError, match="no known space has 7 channels, /8"):
        decide(CONFIG | {"latent_channels": 7})


@pytest.mark.parametrize("stated", [{"shift_factor": 0.0609}, {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}])
def test_a_shift_or_a_mean_that_is_not_the_familys_is_not_the_familys_space(stated: Mapping[str, Any]) -> None:
    space = decide({**CONFIG, "scaling_factor": 0.18215, **stated}, candidate="sd")
    assert (space.name, space.weights is None) == ("mine", False)
    with pytest.raises(CheckpointError, match="--space sd means"):
        decide({**CONFIG, **stated}, option="sd")


def test_a_config_without_the_vaes_levels_is_refused() -> None:
    with pytest.raises(CheckpointError, match="block_out_channels None"):
        decide({"latent_channels": 4, "scaling_factor": 0.5})


def test_a_new_name_is_given_to_a_space_of_its_own() -> None:
    assert decide(CONFIG | {"scaling_factor": 0.5}, option="house").name == "house"


def test_the_space_is_the_encoders_so_a_finetuned_decoder_stays_in_it() -> None:
    config = CONFIG | {"scaling_factor": 0.5}
    tuned = STATE | {"decoder.conv.weight": torch.ones(3)}
    moved = STATE | {"encoder.conv.weight": torch.ones(3, 4)}
    assert decide(config, state=tuned) == decide(config)
    assert decide(config, state=moved) != decide(config)


def test_saving_in_half_precision_keeps_the_weights_identity() -> None:
    state = {"a": torch.randn(5, 5)}
    assert weights_sha256(state) == weights_sha256({"a": state["a"].half()})
    assert weights_sha256(state) != weights_sha256({"b": state["a"]})


def test_an_unknown_text_encoder_is_identified_by_its_weights() -> None:
    one = text_embedding(name=None, width=8, output="last", state={"a": torch.ones(2)}, label="mine")
    other = text_embedding(name=None, width=8, output="last", state={"a": torch.zeros(2)}, label="mine")
    known = text_embedding(name="clip_l", width=768, output="last", state={"a": torch.ones(2)}, label="mine")
    assert one.digest != other.digest
    assert known.weights is None
