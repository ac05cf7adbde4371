"""Safetensors files of something else, under the names that tools of the field give to their tensors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.checkpoints.networks.other_models import other_model
from tests.export.conftest import FAMILIES

if TYPE_CHECKING:
    from tests.export.conftest import Published

PLAIN = ExportOptions()

LORAS = [
    "lora_unet_down_blocks_1_attentions_0_proj_in.lora_up.weight",
    "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
    "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight",
    "lora_unet_mid.hada_w1_a",
    "lycoris_mid.hada_w1_a",
    "lycoris_mid.lokr_w1",
    "lycoris_mid.oft_blocks",
    "oft_unet_mid.oft_diag",
    "unet.mid_block.attentions.0.to_k.lora_A.weight",
    "unet.mid_block.attentions.0.to_k.lora.down.weight",
    "unet.mid_block.attentions.0.to_k.lora_linear_layer.up.weight",
    "mid_block.attentions.0.attn1.processor.to_k_lora.down.weight",
    "text_encoder.text_model.encoder.layers.0.self_attn.k_proj.lora_linear_layer.down.weight",
    "transformer.transformer_blocks.0.attn.to_k.lora_A.weight",
    "transformer.single_transformer_blocks.0.attn.to_k.lora_down.weight",
    "diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight",
    "diffusion_model.single_blocks.0.linear1.dora_scale",
    "double_blocks.0.processor.proj_lora1.down.weight",
    "base_model.model.double_blocks.0.img_attn.qkv.lora_A.default.weight",
]
OTHERS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "ControlNet of its author": (("control_model.input_blocks.0.0.weight",), "a ControlNet"),
    "ControlNet of diffusers": (("controlnet_cond_embedding.conv_in.weight",), "a ControlNet"),
    "ControlNet of XLabs": (
        ("controlnet_blocks.0.weight", "double_blocks.0.img_attn.norm.query_norm.scale"),
        "a ControlNet",
    ),
    "IP-Adapter": (("ip_adapter.1.to_k_ip.weight", "image_proj.proj.weight"), "an IP-Adapter"),
    "T2I-Adapter": (("adapter.body.0.resnets.0.block1.weight",), "a T2I-Adapter"),
    "AnimateDiff": (("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",), "a motion module"),
    "hypernetwork": (("768.0.linear.0.weight",), "a hypernetwork"),
    "ESRGAN": (("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"), "an upscaler"),
    "RealESRGAN": (("params_ema.conv_first.weight",), "an upscaler"),
    "safety checker": (("vision_model.vision_model.post_layernorm.weight", "concept_embeds"), "a safety checker"),
    "CLIP": (("text_model.embeddings.token_embedding.weight",), "a CLIP text encoder; .* with --text-encoder"),
    "T5": (("shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight"), "a T5 text encoder"),
    "CLIP vision": (("vision_model.embeddings.class_embedding",), "an image encoder"),
    "language model": (("model.layers.0.self_attn.q_proj.weight",), "a language model"),
    "Chroma": (
        ("distilled_guidance_layer.in_proj.bias", "double_blocks.0.img_attn.norm.query_norm.scale"),
        "Chroma; .* No recipe reads this family",
    ),
    "FLUX.2": (
        ("double_stream_modulation_img.lin.weight", "double_blocks.0.img_attn.norm.query_norm.scale"),
        "FLUX.2",
    ),
    "Qwen-Image": (("transformer_blocks.0.img_mod.1.weight",), "Qwen-Image"),
    "Wan": (("blocks.0.cross_attn.norm_k.weight",), "a video model"),
    "nf4": (("model.diffusion_model.img_in.weight.absmax",), "a quantised model"),
    "diffusers": (("down_blocks.0.resnets.0.conv1.weight",), "one network in diffusers' layout"),
}


def refused(tmp_path: Path, tensors: Mapping[str, torch.Tensor]) -> pytest.ExceptionInfo[CheckpointError]:
    save_file(dict(tensors), tmp_path / "file.safetensors")
    with pytest.raises(CheckpointError) as error:
        Checkpoint.open(tmp_path / "file.safetensors", PLAIN)
    return error


@pytest.mark.parametrize("name", LORAS)
def test_a_lora_is_called_one_in_every_naming(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, {name: torch.ones(4, 4)})
    assert error.match("holds a LoRA or another adapter of its kind; .* Merge it into its model first")


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_something_else_is_called_what_it_is(tmp_path: Path, kind: str) -> None:
    names, what = OTHERS[kind]
    assert refused(tmp_path, {name: torch.ones(2, 2) for name in names}).match(f"holds {what}")


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({"emb_params": (4, 768)}, "a textual inversion; "),
        ({"<birb-style>": (768,)}, "a textual inversion; "),
        ({"*": (1, 1024)}, "a textual inversion; "),
        ({"clip_l": (8, 768), "clip_g": (8, 1280)}, "a textual inversion of Stable Diffusion XL; "),
    ],
)
def test_a_textual_inversion_is_called_one(tmp_path: Path, tensors: Mapping[str, tuple[int, ...]], what: str) -> None:
    assert refused(tmp_path, {name: torch.ones(shape) for name, shape in tensors.items()}).match(f"holds {what}")


def test_no_part_of_a_family_that_is_read_is_taken_for_an_adapter(published: Callable[[str], Published]) -> None:
    for family in FAMILIES:
        shapes = {name: tuple(tensor.shape) for name, tensor in load_file(published(family).file).items()}
        other = other_model(shapes)
        assert other is None or not other.steers, family


@pytest.mark.skipif("LATENTLINK_WEIGHTS" not in os.environ, reason="LATENTLINK_WEIGHTS names no folder of weights")
@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("lora/sd15-rank4-attention.safetensors", "a LoRA"),
        ("textual_inversion/birb-style.safetensors", "a textual inversion"),
    ],
)
def test_published_files_are_called_what_they_are(file: str, what: str) -> None:
    with pytest.raises(CheckpointError, match=f"holds {what}"):
        Checkpoint.open(Path(os.environ["LATENTLINK_WEIGHTS"]) / file, PLAIN)


def test_a_lora_beside_a_checkpoints_parts_is_named_in_a_notice(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"vae": ["diffusers", "AutoencoderKL"]}))
    save_file({LORAS[0]: torch.ones(2, 2)}, tmp_path / "pytorch_lora_weights.safetensors")
    save_file({"model.diffusion_model.x": torch.ones(2, 2)}, tmp_path / "v1-5-pruned.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"x")
    (tmp_path / "learned_embeds.bin").write_bytes(b"x")
    notes = Checkpoint.open(tmp_path, PLAIN).notes
    assert {*notes} == {"pytorch_lora_weights.safetensors", "learned_embeds.bin"}
    assert "a LoRA or another adapter of its kind, which is not applied" in notes["pytorch_lora_weights.safetensors"]
