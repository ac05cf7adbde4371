"""Drawn pictures with their encodings by demo's VAE: training data for other decoders of its space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from latentlink.demo import checkpoint


def demo_vae() -> AutoencoderKL:
    """The VAE of `demo`, float32, in eval mode."""
    vae = AutoencoderKL.from_pretrained(checkpoint("demo") / "vae", dtype=torch.float32).eval()
    vae.register_to_config(_name_or_path="demo")  # the config keeps the model's name, not a path of this machine
    return vae


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPictures:
    """Pictures and their posteriors, in the denoiser's scale.

    Args:
        pictures: float32 `[N, 3, H, W]` in -1..1.
        mean: float32 `[N, 4, H / 8, W / 8]`.
        deviation: Deviation of the posterior, shaped like `mean`.
    """

    pictures: Tensor
    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, vae: AutoencoderKL, pictures: Tensor) -> Self:
        """Encode `pictures`, float32 `[N, 3, H, W]` in -1..1."""
        with torch.no_grad():
            posteriors = [vae.encode(part).latent_dist for part in torch.split(pictures, 64)]
        scaling = vae.config.scaling_factor
        return cls(
            pictures=pictures,
            mean=torch.cat([posterior.mean for posterior in posteriors]) * scaling,
            deviation=torch.cat([posterior.std for posterior in posteriors]) * scaling,
        )

    def sample(self, rows: Tensor, noise: float) -> Tensor:
        """Latents of the pictures `rows`, sampled from the posterior, with noise of a random deviation up to `noise`.

        A denoiser's latents differ from encodings; the noise makes a decoder robust to that.
        """
        spread = noise * torch.rand(len(rows), 1, 1, 1)
        mean, deviation = self.mean[rows], self.deviation[rows]
        return mean + deviation * torch.randn_like(mean) + spread * torch.randn_like(mean)


def decode_latents(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Scaled latents `[B, 4, h, w]` to pictures, float32 `[B, 3, H, W]`, about -1..1."""
    picture: Tensor = vae.decode(latents / vae.config.scaling_factor).sample
    return picture
