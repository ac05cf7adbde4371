"""Stable Diffusion 3, with and without T5, and 3.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.bench.checkpoints import scheduler_configs
from latentlink.bench.checkpoints.specs import CheckpointSpec, NetworkSpec
from latentlink.bench.checkpoints.text import (
    CLIP_TOKENIZER,
    OPENCLIP_TOKENIZER,
    T5_DIM,
    T5_TOKENIZER,
    clip_g,
    clip_l,
    t5,
)
from latentlink.bench.checkpoints.vae import KL_SD3

HEADS, HEAD_DIM = 3, 12


def _transformer(weights: str, **config: Any) -> NetworkSpec:
    return NetworkSpec(
        kind="SD3Transformer2DModel",
        weights=weights,
        config={
            "sample_size": 8,
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 2,
            "num_attention_heads": HEADS,
            "attention_head_dim": HEAD_DIM,
            "caption_projection_dim": HEADS * HEAD_DIM,
            "joint_attention_dim": T5_DIM,
            "pooled_projection_dim": 36 + 52,
            "pos_embed_max_size": 20,
            **config,
        },
    )


def _checkpoint(transformer: NetworkSpec, *, with_t5: bool = True) -> CheckpointSpec:
    return CheckpointSpec(
        pipeline="StableDiffusion3Pipeline",
        scheduler=scheduler_configs.FLOW_SHIFT_3,
        networks={
            "text_encoder": clip_l("CLIPTextModelWithProjection"),
            "text_encoder_2": clip_g(),
            "text_encoder_3": t5() if with_t5 else None,
            "transformer": transformer,
            "vae": KL_SD3,
        },
        tokenizers={
            "tokenizer": CLIP_TOKENIZER,
            "tokenizer_2": OPENCLIP_TOKENIZER,
            "tokenizer_3": T5_TOKENIZER if with_t5 else None,
        },
    )


CHECKPOINTS: Mapping[str, CheckpointSpec] = {
    "tiny-sd3": _checkpoint(_transformer("sd3")),
    "tiny-sd3-no-t5": _checkpoint(_transformer("sd3"), with_t5=False),
    "tiny-sd35": _checkpoint(_transformer("sd35", qk_norm="rms_norm", dual_attention_layers=(0,))),
}
