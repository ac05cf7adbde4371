"""Stable Diffusion 1 and its latent consistency model, small; and version 1.5 at its true size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.bench.checkpoints import scheduler_configs
from latentlink.bench.checkpoints.specs import CheckpointSpec, NetworkSpec, TokenizerSpec
from latentlink.bench.checkpoints.text import CLIP_L_SIZES, CLIP_TOKENIZER, clip_l
from latentlink.bench.checkpoints.tokenizers import END
from latentlink.bench.checkpoints.unet import small_unet
from latentlink.bench.checkpoints.vae import KL_SD

FLAGS: Mapping[str, Any] = {
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}


def _checkpoint(
    unet: NetworkSpec,
    *,
    vae: NetworkSpec = KL_SD,
    text_encoder: NetworkSpec | None = None,
    tokenizer: TokenizerSpec = CLIP_TOKENIZER,
    pipeline: str = "StableDiffusionPipeline",
    scheduler: scheduler_configs.Config = scheduler_configs.PNDM,
) -> CheckpointSpec:
    return CheckpointSpec(
        pipeline=pipeline,
        scheduler=scheduler,
        networks={"text_encoder": text_encoder or clip_l(), "unet": unet, "vae": vae},
        tokenizers={"tokenizer": tokenizer},
        flags=FLAGS,
    )


def _token_ids(vocabulary: int) -> dict[str, int]:
    return {
        "vocab_size": vocabulary,
        "max_position_embeddings": 77,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


# runwayml/stable-diffusion-v1-5's configs; the VAE's states no scaling_factor there either
TRUE_SIZE = _checkpoint(
    NetworkSpec(
        kind="UNet2DConditionModel",
        weights="sd15",
        config={"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    ),
    vae=NetworkSpec(
        kind="AutoencoderKL",
        weights="sd15",
        absent=("scaling_factor",),
        config={
            "latent_channels": 4,
            "block_out_channels": (128, 256, 512, 512),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "sample_size": 512,
        },
    ),
    text_encoder=NetworkSpec(
        kind="CLIPTextModel",
        weights="sd15",
        config={
            **CLIP_L_SIZES,
            **_token_ids(49408),
        },
    ),
    tokenizer=TokenizerSpec(kind="CLIPTokenizer", vocabulary=49408, pad=END, length=77),
)

# the VAE has two levels fewer than any published one, and a scaling factor that no published VAE has
SHALLOW = _checkpoint(
    small_unet("tiny", block_out_channels=(24, 40)),
    vae=NetworkSpec(
        kind="AutoencoderKL",
        weights="tiny",
        config={
            "latent_channels": 4,
            "block_out_channels": (12, 20),
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2,
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "sample_size": 16,
            "scaling_factor": 0.4321,
        },
    ),
    text_encoder=NetworkSpec(
        kind="CLIPTextModel",
        weights="tiny",
        config={
            "hidden_size": 36,
            "intermediate_size": 56,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "projection_dim": 36,
            **_token_ids(700),
        },
    ),
)

CHECKPOINTS: Mapping[str, CheckpointSpec] = {
    "sd15": TRUE_SIZE,
    "tiny": SHALLOW,
    "tiny-sd1": _checkpoint(small_unet("sd1", up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))),
    "tiny-sd1-inpaint": _checkpoint(
        small_unet("sd1-inpaint", in_channels=9), pipeline="StableDiffusionInpaintPipeline"
    ),
    "tiny-lcm": _checkpoint(
        small_unet("lcm", time_cond_proj_dim=20),
        pipeline="LatentConsistencyModelPipeline",
        scheduler=scheduler_configs.LCM,
    ),
}
