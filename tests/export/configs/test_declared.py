"""Given a config with a value of another type than its class declares, when it is checked, then the key is named."""

from __future__ import annotations

from typing import Any

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.configs import NETWORKS, check_types, class_defaults, declared_keys
from latentlink.export.configs.declared import _declared
from latentlink.export.parts.solver import SOLVERS

TEXT_ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel")
KINDS = [*NETWORKS, *TEXT_ENCODERS, *SOLVERS]

DEEP: list[Any] = []
for _ in range(400):
    DEEP = [DEEP]
HOSTILE: tuple[Any, ...] = (
    "text",
    "\U0001f600",
    -1,
    10**40,
    0.5,
    1e308,
    float("inf"),
    True,
    None,
    [],
    ["a"],
    [[]],
    {},
    {"a": [1]},
    DEEP,
    "x" * 10_000,
    ["x"] * 1_000,
)


def check(kind: str, **config: Any) -> None:
    check_types(kind, config, what="part", remedy="")


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_a_declared_type_and_no_other_value_passes(kind: str) -> None:
    assert declared_keys(kind)
    check(kind, **class_defaults(kind))
    for key, hint in _declared(kind).items():
        assert not isinstance(hint, str), f"{key} of {kind} has a type that is not evaluated"
        refused = 0
        for value in HOSTILE:
            try:
                check(kind, **{key: value})
            except CheckpointError as error:
                refused += 1
                assert f"has {key} " in str(error)
                assert "expected" in str(error)
                assert len(str(error)) < 400
        assert refused >= len(HOSTILE) / 2, f"{key} of {kind} takes nearly anything"


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("UNet2DConditionModel", "in_channels", [4], r"in_channels \[4\]; expected a whole number\."),
        ("UNet2DConditionModel", "in_channels", True, r"in_channels True; expected a whole number\."),
        ("UNet2DConditionModel", "attention_head_dim", "8", "'8'; expected a whole number or a list of whole numbers"),
        ("UNet2DConditionModel", "mid_block_scale_factor", float("inf"), "inf; expected a number"),
        ("UNet2DConditionModel", "up_block_types", 3, "up_block_types 3; expected a list of texts"),
        ("UNet2DConditionModel", "_use_default_values", [[]], "_use_default_values .*; expected a list of texts"),
        ("AutoencoderKL", "latents_mean", 5, "latents_mean 5; expected a list of numbers"),
        ("CLIPTextModel", "eos_token_id", None, "eos_token_id None; expected a whole number"),
        ("T5EncoderModel", "vocab_size", [1, 2], r"vocab_size \[1, 2\]; expected a whole number"),
        ("EulerDiscreteScheduler", "steps_offset", {}, "steps_offset {}; expected a whole number"),
    ],
)
def test_the_message_says_what_was_received_and_expected(kind: str, key: str, value: object, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        check(kind, **{key: value})


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("UNet2DConditionModel", {"attention_head_dim": [5, 10, 20], "transformer_layers_per_block": [1, 2, 10]}),
        ("UNet2DConditionModel", {"transformer_layers_per_block": [[1, 2], [3]], "upcast_attention": None}),
        ("AutoencoderKL", {"sample_size": [64, 128], "scaling_factor": None, "latents_mean": [0, 0.5]}),
        ("DPMSolverMultistepScheduler", {"lambda_min_clipped": float("-inf"), "prediction_type": None}),
        ("UniPCMultistepScheduler", {"shift_terminal": 0.02, "solver_p": None}),
        ("CLIPTextModel", {"projection_dim": None, "return_dict": "of the library", "made_up": {}}),
        ("NoSuchClass", {"anything": {}}),
    ],
)
def test_what_libraries_write_passes(kind: str, config: dict[str, Any]) -> None:
    check(kind, **config)


def test_of_a_whole_clip_the_text_encoders_config_is_checked() -> None:
    with pytest.raises(CheckpointError, match="hidden_size 'wide'"):
        check("CLIPTextModel", model_type="clip", text_config={"hidden_size": "wide"})
