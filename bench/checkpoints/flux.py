"""FLUX.1: dev, which takes the guidance as an input, and schnell, which takes none."""

from __future__ import annotations

from collections.abc import Mapping

from latentlink.bench.checkpoints import scheduler_configs
from latentlink.bench.checkpoints.specs import CheckpointSpec, NetworkSpec
from latentlink.bench.checkpoints.text import CLIP_TOKENIZER, T5_DIM, T5_TOKENIZER, clip_l, t5
from latentlink.bench.checkpoints.vae import KL_FLUX


def _checkpoint(weights: str, *, guided: bool, scheduler: scheduler_configs.Config) -> CheckpointSpec:
    transformer = NetworkSpec(
        kind="FluxTransformer2DModel",
        weights=weights,
        config={
            "patch_size": 1,
            "in_channels": 64,
            "num_layers": 1,
            "num_single_layers": 1,
            "attention_head_dim": 16,
            "num_attention_heads": 3,
            "joint_attention_dim": T5_DIM,
            "pooled_projection_dim": 36,
            "guidance_embeds": guided,
            "axes_dims_rope": (4, 6, 6),
        },
    )
    return CheckpointSpec(
        pipeline="FluxPipeline",
        scheduler=scheduler,
        networks={"text_encoder": clip_l(), "text_encoder_2": t5(), "transformer": transformer, "vae": KL_FLUX},
        tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": T5_TOKENIZER},
    )


CHECKPOINTS: Mapping[str, CheckpointSpec] = {
    "tiny-flux-dev": _checkpoint("flux-dev", guided=True, scheduler=scheduler_configs.FLOW_BY_LENGTH),
    "tiny-flux-schnell": _checkpoint("flux-schnell", guided=False, scheduler=scheduler_configs.FLOW_UNSHIFTED),
}
