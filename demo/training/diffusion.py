"""Training the denoiser and the text encoder of a demo model together, on latents of its own VAE."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

from latentlink.demo.draw import batch
from latentlink.demo.grammar import Scene, scenes
from latentlink.demo.training.model import Curve, ModelPlan, to_tensor
from latentlink.demo.training.muon import Optimizer

BATCH = 64
VARIANTS = 24
"""Pictures drawn for each caption."""

DROPOUT = 0.1
"""Share of captions replaced by the empty one, which makes classifier-free guidance possible."""

WIDTH = 64


def make_text_encoder(tokenizer: CLIPTokenizerFast) -> CLIPTextModel:
    """An untrained CLIP text model of 2 layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def make_unet() -> UNet2DConditionModel:
    """An untrained UNet of two levels with cross-attention, for latents of 8x8."""
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(64, 64),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def train_diffusion(
    plan: ModelPlan,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizerFast,
    scheduler: DDPMScheduler,
    curve: Curve,
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Train with the epsilon loss and min-SNR-5 weights (Hang et al., 2023).

    Args:
        plan: Seeds and steps.
        vae: The model's trained VAE.
        tokenizer: Tokenizer of the grammar's words.
        scheduler: Scheduler that adds the noise.
        curve: Collects the loss.
    """
    torch.manual_seed(plan.seed + 100)
    rng = np.random.default_rng(plan.seed + 100)
    latents, ids, empty = dataset(plan, vae, tokenizer, rng)
    unet, text = make_unet(), make_text_encoder(tokenizer)
    optimizer = Optimizer([unet, text], steps=plan.diffusion_steps, muon_lr=0.006, adam_lr=1e-3, ema=0.999)
    alpha_bar = scheduler.alphas_cumprod
    snr = alpha_bar / (1 - alpha_bar)
    weight = snr.clamp(max=5) / snr
    began, losses = perf_counter(), []
    for step in range(plan.diffusion_steps):
        rows = torch.from_numpy(rng.integers(0, len(latents), BATCH))
        tokens = torch.where((torch.rand(BATCH) < DROPOUT)[:, None], empty, ids[rows])
        t = torch.randint(0, len(alpha_bar), (BATCH,))
        noise = torch.randn(BATCH, *latents.shape[1:])
        noisy = scheduler.add_noise(latents[rows], noise, t)
        # float32: at this width the backward pass is slower in bfloat16
        prediction = unet(noisy, t, encoder_hidden_states=text(tokens)[0]).sample
        loss = (weight[t] * ((prediction - noise) ** 2).mean((1, 2, 3))).mean()
        optimizer.step(loss)
        losses.append(float(loss.detach()))
        if step % 100 == 0 or step == plan.diffusion_steps - 1:
            curve.add("diffusion", step, perf_counter() - began, loss=float(np.mean(losses[-100:])))
    optimizer.use_average()
    return unet.eval(), text.eval()


def dataset(
    plan: ModelPlan, vae: AutoencoderKL, tokenizer: CLIPTokenizerFast, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled latents `[P, 4, 8, 8]` of captions that are not held out, their ids `[P, 77]`, and the empty caption's."""
    chosen: list[Scene] = [scene for scene in scenes() if not scene.held_out for _ in range(VARIANTS)]
    parts = []
    with torch.no_grad():
        for first in range(0, len(chosen), 64):
            pictures = to_tensor(batch(chosen[first : first + 64], plan.style, rng))
            parts.append(vae.encode(pictures).latent_dist.mean * vae.config.scaling_factor)
    captions = [scene.caption for scene in chosen]
    return torch.cat(parts), tokens(tokenizer, captions), tokens(tokenizer, [""])


def tokens(tokenizer: CLIPTokenizerFast, captions: list[str]) -> Tensor:
    """Token ids `[N, 77]`, padded as in diffusers."""
    ids: Tensor = tokenizer(
        captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids
    return ids
