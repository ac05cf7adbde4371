"""Configs from shapes alone: of networks of the published sizes they are the published configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from latentlink.bench.fuzz import original_networks
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.single_file.clip import OPEN_CLIP, clip_config, open_clip_config
from latentlink.export.checkpoints.single_file.flux import flux_config
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.mmdit import mmdit_config
from latentlink.export.checkpoints.single_file.t5 import t5_config
from latentlink.export.checkpoints.single_file.unet import ldm_unet_config
from latentlink.export.checkpoints.single_file.vae import ldm_vae_config

SD1 = {
    "in_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "use_linear_projection": False,
    "transformer_layers_per_block": 1,
}
XL = {
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
}
UNETS: Mapping[str, Mapping[str, Any]] = {
    "sd1": SD1,
    "sd1 inpainting": {**SD1, "in_channels": 9},
    "sd2": {
        **SD1,
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
    "sdxl": {
        **XL,
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "projection_class_embeddings_input_dim": 2816,
    },
    "sdxl refiner": {
        **XL,
        "block_out_channels": [384, 768, 1536, 1536],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        # the published config says 4: the first level has no attention, so its number is read by nobody
        "transformer_layers_per_block": [1, 4, 4, 4],
        "cross_attention_dim": 1280,
        "attention_head_dim": [6, 12, 24, 24],
        "projection_class_embeddings_input_dim": 2560,
    },
}
MMDITS: Mapping[str, Mapping[str, Any]] = {
    "sd3 medium": {"num_layers": 24, "num_attention_heads": 24, "pos_embed_max_size": 192, "qk_norm": None},
    "sd3.5 large": {"num_layers": 38, "num_attention_heads": 38, "pos_embed_max_size": 192, "qk_norm": "rms_norm"},
    "sd3.5 medium": {
        "num_layers": 24,
        "num_attention_heads": 24,
        "pos_embed_max_size": 384,
        "qk_norm": "rms_norm",
        "dual_attention_layers": list(range(13)),
    },
}

Writer = Callable[[Mapping[str, torch.Tensor], Any], dict[str, torch.Tensor]]


def shapes_of(cls: Any, arguments: Mapping[str, Any], write: Writer) -> PartShapes:
    """Shapes in the original layout of a network that holds no numbers."""
    with torch.device("meta"):
        network = cls(cls.config_class(**arguments)) if hasattr(cls, "config_class") else cls(**arguments)
        config = network.config.to_dict() if hasattr(cls, "config_class") else network.config
        original = write(network.state_dict(), config)
    return PartShapes(where="It", table={name: tuple(tensor.shape) for name, tensor in original.items()})


def check(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert {key: found.get(key) for key in wanted} == dict(wanted)


@pytest.mark.parametrize("family", UNETS)
def test_a_published_unets_config_is_read_off_its_shapes(family: str) -> None:
    from diffusers import UNet2DConditionModel

    found = ldm_unet_config(shapes_of(UNet2DConditionModel, UNETS[family], original_networks.unet))
    check(found, {"out_channels": 4, **UNETS[family]})


@pytest.mark.parametrize("family", MMDITS)
def test_a_published_sd3_transformers_config_is_read_off_its_shapes(family: str) -> None:
    from diffusers import SD3Transformer2DModel

    published = {
        "attention_head_dim": 64,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 2048,
        "patch_size": 2,
        "in_channels": 16,
        "out_channels": 16,
        "caption_projection_dim": 64 * MMDITS[family]["num_attention_heads"],
        "dual_attention_layers": [],
        **MMDITS[family],
    }
    check(mmdit_config(shapes_of(SD3Transformer2DModel, published, original_networks.mmdit)), published)


@pytest.mark.parametrize("guidance", [True, False])
def test_flux_dev_and_schnell_are_told_apart_by_their_guidance_layer(guidance: bool) -> None:
    from diffusers import FluxTransformer2DModel

    published = {
        "in_channels": 64,
        "num_layers": 19,
        "num_single_layers": 38,
        "attention_head_dim": 128,
        "num_attention_heads": 24,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 768,
        "guidance_embeds": guidance,
    }
    check(flux_config(shapes_of(FluxTransformer2DModel, published, original_networks.flux)), published)


@pytest.mark.parametrize(("channels", "quant"), [(4, True), (16, False)])
def test_a_vaes_config_is_read_off_its_shapes_and_states_no_affine(channels: int, quant: bool) -> None:
    from diffusers import AutoencoderKL

    published = {
        "latent_channels": channels,
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2,
        "use_quant_conv": quant,
        "use_post_quant_conv": quant,
    }
    found = ldm_vae_config(shapes_of(AutoencoderKL, published, original_networks.vae))
    check(found, published)
    assert not {"scaling_factor", "shift_factor"} & found.keys()


def test_published_text_encoders_configs_are_read_off_their_shapes() -> None:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

    clip_l = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "hidden_act": "quick_gelu",
        "vocab_size": 49408,
        "max_position_embeddings": 77,
    }
    clip_g = {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "hidden_act": "gelu",
        "projection_dim": 1280,
    }
    t5 = {
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "vocab_size": 32128,
        "feed_forward_proj": "gated-gelu",
    }
    check(clip_config(shapes_of(CLIPTextModel, clip_l, original_networks.clip)), clip_l)
    check(clip_config(shapes_of(CLIPTextModelWithProjection, clip_g, original_networks.clip)), clip_g)
    check(open_clip_config(shapes_of(CLIPTextModelWithProjection, clip_g, original_networks.open_clip)), clip_g)
    check(t5_config(shapes_of(T5EncoderModel, t5, original_networks.t5)), t5)


def test_the_last_of_open_clip_hs_24_layers_is_left_out_as_stable_diffusion_2_does() -> None:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    whole = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "projection_dim": 1024}
    with torch.device("meta"):
        network = CLIPTextModelWithProjection(CLIPTextConfig(**whole))
        original = original_networks.open_clip(network.state_dict(), whole)
        shapes = PartShapes(where="It", table={name: tuple(tensor.shape) for name, tensor in original.items()})
        config = OPEN_CLIP.config(shapes)
        converted = OPEN_CLIP.convert(original, config, network)
    assert config["num_hidden_layers"] == 23
    assert converted.unused == ()
    assert any("layers.22." in name for name in converted.state)
    assert not any("layers.23." in name for name in converted.state)


def test_a_block_that_is_left_out_is_named() -> None:
    from diffusers import UNet2DConditionModel

    whole = shapes_of(UNet2DConditionModel, SD1, original_networks.unet)
    holed = {name: shape for name, shape in whole.table.items() if not name.startswith("input_blocks.4.")}
    with pytest.raises(CheckpointError, match=r"lacks input_blocks\.4"):
        ldm_unet_config(PartShapes(where="The unet", table=holed))
