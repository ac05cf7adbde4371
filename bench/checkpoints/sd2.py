"""Stable Diffusion 2: the latent space of version 1, another text encoder."""

from __future__ import annotations

from collections.abc import Mapping

from latentlink.bench.checkpoints import scheduler_configs
from latentlink.bench.checkpoints.sd1 import FLAGS
from latentlink.bench.checkpoints.specs import CheckpointSpec
from latentlink.bench.checkpoints.text import OPENCLIP_TOKENIZER, clip_h
from latentlink.bench.checkpoints.unet import small_unet
from latentlink.bench.checkpoints.vae import KL_SD


def _checkpoint(weights: str, scheduler: scheduler_configs.Config) -> CheckpointSpec:
    unet = small_unet(weights, cross_attention_dim=44, attention_head_dim=(2, 4), use_linear_projection=True)
    return CheckpointSpec(
        pipeline="StableDiffusionPipeline",
        scheduler=scheduler,
        networks={"text_encoder": clip_h(), "unet": unet, "vae": KL_SD},
        tokenizers={"tokenizer": OPENCLIP_TOKENIZER},
        flags=FLAGS,
    )


CHECKPOINTS: Mapping[str, CheckpointSpec] = {
    "tiny-sd2": _checkpoint("sd2", scheduler_configs.DDIM_V),
    "tiny-sd2-base": _checkpoint("sd2-base", scheduler_configs.PNDM_EPSILON),
}
