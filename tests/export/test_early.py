"""Given a checkpoint with one bad part, when it is exported, then that is said before any part is exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError
from latentlink.export.exporter import export_checkpoint

UNET = "unet/diffusion_pytorch_model.safetensors"


def with_lora(root: Path) -> None:
    state = load_file(root / UNET)
    save_file(
        {**state, "conv_in.lora_A.weight": torch.ones(2, 4), "conv_in.lora_B.weight": torch.ones(4, 2)}, root / UNET
    )


def with_nan(root: Path) -> None:
    state = load_file(root / UNET)
    state["conv_out.bias"][0] = float("nan")
    save_file(state, root / UNET)


def with_a_token_too_many(root: Path) -> None:
    vocabulary = json.loads((root / "tokenizer/vocab.json").read_text())
    (root / "tokenizer/vocab.json").write_text(json.dumps(vocabulary | {"new": len(vocabulary)}))


def with_more_layers(root: Path) -> None:
    config = json.loads((root / "unet/config.json").read_text())
    (root / "unet/config.json").write_text(json.dumps(config | {"layers_per_block": 3}))


def without_merges(root: Path) -> None:
    (root / "tokenizer/merges.txt").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (with_lora, "unet' holds tensors that UNet2DConditionModel does not have, such as conv_in.lora_A"),
        (with_nan, r"unet' has weights that are NaN or infinite, such as conv_out\.bias"),
        (with_a_token_too_many, "tokenizer of text_encoder gives ids up to 700, but the encoder knows 700"),
        (with_more_layers, "unet' lacks weights, such as"),
        (without_merges, "tokenizer' holds no CLIP tokenizer"),
    ],
)
def test_what_is_wrong_with_the_last_part_is_said_before_the_first_is_exported(
    tiny: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    shutil.copytree(tiny, tmp_path / "bad")
    damage(tmp_path / "bad")
    begun: list[str] = []
    with pytest.raises(CheckpointError, match=said):
        export_checkpoint(tmp_path / "bad", tmp_path / "out", on_component=lambda *step: begun.append(step[2]))
    assert begun == []
    assert not (tmp_path / "out").exists()
