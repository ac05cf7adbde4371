"""Pictures from a demo checkpoint with diffusers: the reference for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor

from latentlink.demo.training.model import to_tensor

STEPS = 25
GUIDANCE = 5.0
BATCH = 32


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    """The checkpoint in `folder` as a float32 pipeline with a DDIM scheduler."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(pipeline: StableDiffusionPipeline, captions: Sequence[str], seed: int) -> Tensor:
    """Latents from the denoiser, with a deviation of about 1, float32 `[N, 4, 8, 8]`.

    Args:
        pipeline: From `load_pipeline`.
        captions: N captions; picture n has the noise of seed `seed + n`.
        seed: Seed of the first picture.
    """
    parts: list[Tensor] = []
    for first in range(0, len(captions), BATCH):
        chosen = list(captions[first : first + BATCH])
        noise = [torch.Generator().manual_seed(seed + first + n) for n in range(len(chosen))]
        parts.append(
            pipeline(
                chosen,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                height=64,
                width=64,
                generator=noise,
                output_type="latent",
            ).images
        )
    return torch.cat(parts)


def decode(vae: AutoencoderKL, latents: Tensor) -> NDArray[np.uint8]:
    """Latents of deviation 1, `[N, 4, 8, 8]`, to pictures, uint8 `[N, 64, 64, 3]`."""
    with torch.no_grad():
        parts = [vae.decode(part / vae.config.scaling_factor).sample for part in torch.split(latents, BATCH)]
    pictures = torch.cat(parts).permute(0, 2, 3, 1).clamp(-1, 1)
    return ((pictures + 1) * 127.5).round().to(torch.uint8).numpy()


def encode(vae: AutoencoderKL, pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures, uint8 `[N, 64, 64, 3]`, to the posterior's mean with deviation 1, float32 `[N, 4, 8, 8]`."""
    with torch.no_grad():
        parts = [vae.encode(part).latent_dist.mean for part in torch.split(to_tensor(pictures), BATCH)]
    latents: Tensor = torch.cat(parts) * vae.config.scaling_factor
    return latents
