"""Training the VAE of a demo model from scratch, on pictures of both styles."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from latentlink.demo.draw import STYLES, batch
from latentlink.demo.grammar import scenes
from latentlink.demo.training.model import Curve, ModelPlan, to_tensor
from latentlink.demo.training.muon import Optimizer

BATCH = 8
POOL = 3072
"""Number of pictures drawn in advance; drawing new ones for every step would cost more than the step."""


def make_vae() -> AutoencoderKL:
    """An untrained AutoencoderKL: 64x64 pictures, /8, 4 channels, with a small initial posterior variance."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 64),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=64,
    )
    with torch.no_grad():
        vae.quant_conv.bias[4:] = -6.0
    return vae


def train_vae(plan: ModelPlan, curve: Curve) -> AutoencoderKL:
    """Train, fold the plan's gain into the latent, and set `scaling_factor` so that latents have deviation 1.

    Args:
        plan: Seeds and steps.
        curve: Collects the PSNR.
    """
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    pictures = pool(rng, POOL)
    vae = make_vae().to(memory_format=torch.channels_last)
    optimizer = Optimizer([vae], steps=plan.vae_steps, muon_lr=0.01, adam_lr=1e-3, ema=0.999)
    began = perf_counter()
    for step in range(plan.vae_steps):
        x = pictures[torch.from_numpy(rng.integers(0, len(pictures), BATCH))]
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        optimizer.step(vae_loss(x, y.float()) + 1e-4 * kl(posterior.mean.float(), posterior.logvar.float()))
        if step % 200 == 0 or step == plan.vae_steps - 1:
            curve.add("vae", step, perf_counter() - began, psnr=psnr_of_tensors(x, y.detach().float()))
    optimizer.use_average()
    vae.to(memory_format=torch.contiguous_format).eval()
    fold_gain(vae, plan.latent_gain)
    with torch.no_grad():
        deviation = torch.cat([vae.encode(part).latent_dist.mean for part in torch.split(pictures[:512], 64)]).std()
        held = pool(np.random.default_rng(plan.seed + 1), 256)
        shown = torch.cat([vae.decode(vae.encode(part).latent_dist.mean).sample for part in torch.split(held, 64)])
    vae.register_to_config(scaling_factor=round(1 / float(deviation), 4))
    curve.add("vae", plan.vae_steps, perf_counter() - began, psnr=psnr_of_tensors(held, shown))
    return vae


def pool(rng: np.random.Generator, count: int) -> Tensor:
    """Pictures of random scenes, half of each style, float32 `[count, 3, 64, 64]` in -1..1."""
    every = list(scenes())
    halves = [batch([every[i] for i in rng.integers(0, len(every), count // 2)], style, rng) for style in STYLES]
    return to_tensor(np.concatenate(halves)).to(memory_format=torch.channels_last)


def vae_loss(x: Tensor, y: Tensor) -> Tensor:
    """L1 + 4 MSE + L1 of the gradients: MSE helps at the start, gradients keep edges straight."""
    across = l1_loss(y.diff(dim=3), x.diff(dim=3)) + l1_loss(y.diff(dim=2), x.diff(dim=2))
    return l1_loss(y, x) + 4 * mse_loss(y, x) + across


def kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence of the posterior from a standard normal distribution, per latent element."""
    return 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()


def fold_gain(vae: AutoencoderKL, gain: float) -> None:
    """Multiply raw latents by `gain` without changing pictures."""
    with torch.no_grad():
        vae.quant_conv.weight[:4] *= gain
        vae.quant_conv.bias[:4] *= gain
        vae.quant_conv.bias[4:] += 2 * np.log(gain)
        vae.post_quant_conv.weight /= gain


def psnr_of_tensors(x: Tensor, y: Tensor) -> float:
    """PSNR in dB of pictures in -1..1."""
    return float(10 * torch.log10(4 / mse_loss(y.clamp(-1, 1), x)))
