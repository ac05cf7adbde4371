"""Small random checkpoints of every family that is published as single files, as directories and as those files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.export.graphs.constants import kept

VOCABULARY = 600

VAE = {
    "block_out_channels": (32, 32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
}
VAE_16 = {**VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
UNET = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (64, 96),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
LINEAR_UNET = {**UNET, "block_out_channels": (64, 128), "attention_head_dim": (1, 2), "use_linear_projection": True}
SIZED = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
T5 = {
    "vocab_size": 90,
    "d_model": 96,
    "d_kv": 24,
    "d_ff": 40,
    "num_layers": 2,
    "num_heads": 2,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}


def clip(width: int, act: str) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": 72,
        "num_hidden_layers": 2,
        "num_attention_heads": width // 64,
        "hidden_act": act,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }


CLIP_L, CLIP_H, CLIP_G = clip(768, "quick_gelu"), clip(1024, "gelu"), clip(1280, "gelu")
SDXL_TEXT = {"text_encoder": ("CLIPTextModel", CLIP_L), "text_encoder_2": ("CLIPTextModelWithProjection", CLIP_G)}

# Class and constructor arguments of every network. Widths of texts are the published ones, which tell families apart.
FAMILIES: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "sd1": {
        "unet": ("UNet2DConditionModel", {**UNET, "cross_attention_dim": 768, "attention_head_dim": 8}),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", CLIP_L),
    },
    "sd1-inpainting": {
        "unet": (
            "UNet2DConditionModel",
            {**UNET, "cross_attention_dim": 768, "attention_head_dim": 8, "in_channels": 9},
        ),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", CLIP_L),
    },
    "sd2": {
        "unet": ("UNet2DConditionModel", {**LINEAR_UNET, "cross_attention_dim": 1024}),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", CLIP_H),
    },
    "sdxl": {
        "unet": (
            "UNet2DConditionModel",
            {
                **LINEAR_UNET,
                **SIZED,
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
                "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
                "transformer_layers_per_block": (1, 2),
                "cross_attention_dim": 2048,
                "projection_class_embeddings_input_dim": 2816,
            },
        ),
        "vae": ("AutoencoderKL", VAE),
        **SDXL_TEXT,
    },
    "sdxl-refiner": {
        "unet": (
            "UNet2DConditionModel",
            {
                **LINEAR_UNET,
                **SIZED,
                "block_out_channels": (64, 128, 128),
                "attention_head_dim": (1, 2, 2),
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                "transformer_layers_per_block": 2,
                "cross_attention_dim": 1280,
                "projection_class_embeddings_input_dim": 2560,
            },
        ),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder_2": ("CLIPTextModelWithProjection", CLIP_G),
    },
    "sd3": {
        "transformer": (
            "SD3Transformer2DModel",
            {
                "sample_size": 16,
                "num_layers": 2,
                "num_attention_heads": 2,
                "attention_head_dim": 64,
                "caption_projection_dim": 128,
                "joint_attention_dim": 96,
                "pooled_projection_dim": 2048,
                "pos_embed_max_size": 12,
                "qk_norm": "rms_norm",
                "dual_attention_layers": (0,),
            },
        ),
        "vae": ("AutoencoderKL", VAE_16),
        "text_encoder": ("CLIPTextModelWithProjection", CLIP_L),
        "text_encoder_2": ("CLIPTextModelWithProjection", CLIP_G),
        "text_encoder_3": ("T5EncoderModel", T5),
    },
    "flux-dev": {
        "transformer": (
            "FluxTransformer2DModel",
            {
                "num_layers": 1,
                "num_single_layers": 2,
                "num_attention_heads": 1,
                "joint_attention_dim": 96,
                "pooled_projection_dim": 768,
                "guidance_embeds": True,
            },
        ),
        "vae": ("AutoencoderKL", VAE_16),
        "text_encoder": ("CLIPTextModel", CLIP_L),
        "text_encoder_2": ("T5EncoderModel", T5),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A checkpoint in both forms.

    Args:
        directory: As diffusers and transformers save it, a folder a part.
        file: The same weights in the layout of the family's single files.
        parts: Class and constructor arguments of every network.
    """

    directory: Path
    file: Path
    parts: Mapping[str, tuple[str, Mapping[str, Any]]] = field(repr=False)


def network_class(name: str) -> Any:
    import diffusers
    import transformers

    return getattr(diffusers, name, None) or getattr(transformers, name)


def make_network(name: str, arguments: Mapping[str, Any]) -> Any:
    torch.manual_seed(7)
    cls = network_class(name)
    return cls(cls.config_class(**arguments)) if hasattr(cls, "config_class") else cls(**arguments)


@pytest.fixture(scope="session", autouse=True)
def constants_kept() -> Iterator[None]:
    """No export of these tests drops an operation with a constant that is almost neutral."""
    with kept():
        yield


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Published]:
    """Makes the checkpoint of a family of `FAMILIES` when it is first asked for."""
    from latentlink.bench.fuzz.original_layout import original_state

    made: dict[str, Published] = {}

    def make(family: str) -> Published:
        if family not in made:
            root = tmp_path_factory.mktemp(family)
            for part, (name, arguments) in FAMILIES[family].items():
                network = make_network(name, arguments)
                if family == "sd3" and part == "text_encoder":
                    # the published model uses the pooled output of this encoder unprojected
                    torch.nn.init.eye_(network.text_projection.weight)
                network.save_pretrained(root / "checkpoint" / part)
            save_file(original_state(root / "checkpoint"), root / "model.safetensors")
            made[family] = Published(
                directory=root / "checkpoint", file=root / "model.safetensors", parts=FAMILIES[family]
            )
        return made[family]

    return make


@pytest.fixture(scope="session")
def bare_vae(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Writes a VAE alone in the original layout, of the published depth (/8), with some number of channels."""
    from latentlink.bench.fuzz.original_networks import vae

    def make(channels: int) -> Path:
        network = make_network("AutoencoderKL", {**(VAE if channels == 4 else VAE_16), "latent_channels": channels})
        path = tmp_path_factory.mktemp("vae") / f"vae-{channels}.safetensors"
        save_file({name: t.clone() for name, t in vae(network.state_dict(), network.config).items()}, path)
        return path

    return make
