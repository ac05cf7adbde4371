"""Stable Diffusion XL, its refiner and its distilled variants, small; and the base model at its true size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.bench.checkpoints import scheduler_configs
from latentlink.bench.checkpoints.specs import CheckpointSpec, NetworkSpec, TokenizerSpec
from latentlink.bench.checkpoints.text import CLIP_L_SIZES, CLIP_TOKENIZER, OPENCLIP_TOKENIZER, clip_g, clip_l
from latentlink.bench.checkpoints.tokenizers import END
from latentlink.bench.checkpoints.vae import KL_SDXL

TIME_DIM = 6
POOLED = 52


def _unet(weights: str, **config: Any) -> NetworkSpec:
    return NetworkSpec(
        kind="UNet2DConditionModel",
        weights=weights,
        config={
            "sample_size": 8,
            "block_out_channels": (20, 28),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("UpBlock2D", "UpBlock2D"),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "layers_per_block": 1,
            "transformer_layers_per_block": (1, 2),
            "attention_head_dim": (2, 4),
            "norm_num_groups": 4,
            "cross_attention_dim": 36 + POOLED,
            "addition_time_embed_dim": TIME_DIM,
            "projection_class_embeddings_input_dim": POOLED + 6 * TIME_DIM,
            **config,
        },
    )


def _checkpoint(
    unet: NetworkSpec,
    *,
    scheduler: scheduler_configs.Config = scheduler_configs.EULER,
    pipeline: str = "StableDiffusionXLPipeline",
    text_encoder: NetworkSpec | None = None,
    text_encoder_2: NetworkSpec | None = None,
    vae: NetworkSpec = KL_SDXL,
    vocabulary: int | None = None,
    flags: Mapping[str, Any] | None = None,
) -> CheckpointSpec:
    tokenizers = (CLIP_TOKENIZER, OPENCLIP_TOKENIZER)
    if vocabulary is not None:
        tokenizers = (
            TokenizerSpec(kind="CLIPTokenizer", vocabulary=vocabulary, pad=END, length=77),
            TokenizerSpec(kind="CLIPTokenizer", vocabulary=vocabulary, pad="!", length=77),
        )
    return CheckpointSpec(
        pipeline=pipeline,
        scheduler=scheduler,
        networks={
            "text_encoder": text_encoder or clip_l(),
            "text_encoder_2": text_encoder_2 or clip_g(),
            "unet": unet,
            "vae": vae,
        },
        tokenizers=dict(zip(("tokenizer", "tokenizer_2"), tokenizers, strict=True)),
        flags={"force_zeros_for_empty_prompt": True, **(flags or {})},
    )


# one transformer depth everywhere, no text at the outer levels, five ids
REFINER = CheckpointSpec(
    pipeline="StableDiffusionXLImg2ImgPipeline",
    scheduler=scheduler_configs.EULER,
    networks={
        "text_encoder": None,
        "text_encoder_2": clip_g(),
        "unet": _unet(
            "sdxl-refiner",
            block_out_channels=(12, 20, 28),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D",) * 3,
            transformer_layers_per_block=1,
            attention_head_dim=(2, 4, 4),
            cross_attention_dim=POOLED,
            projection_class_embeddings_input_dim=POOLED + 5 * TIME_DIM,
        ),
        "vae": KL_SDXL,
    },
    tokenizers={"tokenizer": None, "tokenizer_2": OPENCLIP_TOKENIZER},
    flags={"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True},
)

_TRUE_TEXT: Mapping[str, Any] = {
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}

# stabilityai/stable-diffusion-xl-base-1.0's configs
TRUE_SIZE = _checkpoint(
    NetworkSpec(
        kind="UNet2DConditionModel",
        weights="sdxl",
        config={
            "sample_size": 128,
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "layers_per_block": 2,
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "cross_attention_dim": 2048,
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
    ),
    text_encoder=NetworkSpec(
        kind="CLIPTextModel",
        weights="sdxl",
        config={
            **_TRUE_TEXT,
            **CLIP_L_SIZES,
            "hidden_act": "quick_gelu",
        },
    ),
    text_encoder_2=NetworkSpec(
        kind="CLIPTextModelWithProjection",
        weights="sdxl-2",
        config={
            **_TRUE_TEXT,
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "num_hidden_layers": 32,
            "num_attention_heads": 20,
            "projection_dim": 1280,
            "hidden_act": "gelu",
        },
    ),
    vae=NetworkSpec(
        kind="AutoencoderKL",
        weights="sdxl",
        config={
            "latent_channels": 4,
            "block_out_channels": (128, 256, 512, 512),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "sample_size": 1024,
            "scaling_factor": 0.13025,
            "force_upcast": True,
        },
    ),
    vocabulary=49408,
)

CHECKPOINTS: Mapping[str, CheckpointSpec] = {
    "sdxl": TRUE_SIZE,
    "tiny-sdxl": _checkpoint(_unet("sdxl")),
    "tiny-sdxl-v": _checkpoint(_unet("sdxl-v"), scheduler=scheduler_configs.EULER_V),
    "tiny-sdxl-inpaint": _checkpoint(
        _unet("sdxl-inpaint", in_channels=9),
        pipeline="StableDiffusionXLInpaintPipeline",
        flags={"requires_aesthetics_score": False},
    ),
    "tiny-sdxl-refiner": REFINER,
    "tiny-sdxl-turbo": _checkpoint(_unet("sdxl-turbo"), scheduler=scheduler_configs.EULER_A_TRAILING),
    "tiny-sdxl-lightning": _checkpoint(_unet("sdxl-lightning"), scheduler=scheduler_configs.EULER_TRAILING),
    "tiny-lcm-sdxl": _checkpoint(_unet("lcm-sdxl", time_cond_proj_dim=20), scheduler=scheduler_configs.LCM),
}
