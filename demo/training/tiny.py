"""`demo-tiny`, an AutoencoderTiny distilled from demo's VAE.

As in TAESD (Boer Bohan, 2023), both halves use the denoiser's scaled latents directly, without an affine.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch.nn.functional import mse_loss

from latentlink.demo.draw import patchwork
from latentlink.demo.training.encoded import EncodedPictures, decode_latents, demo_vae
from latentlink.demo.training.model import Curve, to_tensor
from latentlink.demo.training.muon import Optimizer
from latentlink.demo.training.vae import BATCH, POOL, pool, psnr_of_tensors, vae_loss

SEED = 31
STEPS = 2400
PATCHWORK = 1024
"""Number of pictures without a scene, in addition to the drawn ones: a decoder should not only work on those."""

NOISE = 0.2
"""Maximum deviation of the noise on latents, which have deviation 1."""


def make_tiny() -> AutoencoderTiny:
    """An untrained AutoencoderTiny, /8, 4 channels, 143,751 weights."""
    return AutoencoderTiny(
        encoder_block_out_channels=(16,) * 4,
        decoder_block_out_channels=(28,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    )


def train_tiny(curve: Curve) -> AutoencoderTiny:
    """Train the decoder on the output of demo's for the same latents, the encoder on the mean of demo's posterior.

    Args:
        curve: Collects both halves' figures on held-out pictures.
    """
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    vae = demo_vae().to(memory_format=torch.channels_last)
    shown = torch.cat([pool(rng, POOL), to_tensor(patchwork(rng, PATCHWORK))]).to(memory_format=torch.channels_last)
    drawn, held = EncodedPictures.of(vae, shown), EncodedPictures.of(vae, pool(np.random.default_rng(SEED + 1), 256))
    tiny = make_tiny().to(memory_format=torch.channels_last)
    optimizer = Optimizer([tiny], steps=STEPS, muon_lr=0.01, adam_lr=1e-3, ema=0.995)
    began = perf_counter()
    for step in range(STEPS):
        rows = torch.from_numpy(rng.integers(0, len(drawn.pictures), BATCH))
        latents = drawn.sample(rows, NOISE)
        with torch.no_grad():
            wanted = decode_latents(vae, latents)
        # float32: at this width bfloat16 is slower
        made, encoded = tiny.decode(latents).sample, tiny.encode(drawn.pictures[rows]).latents
        optimizer.step(vae_loss(wanted, made) + mse_loss(encoded, drawn.mean[rows]))
        if step % 200 == 0:
            curve.add("tiny", step, perf_counter() - began, **figures_of(tiny, held))
    optimizer.use_average()
    tiny.to(memory_format=torch.contiguous_format).eval()
    curve.add("tiny", STEPS, perf_counter() - began, **figures_of(tiny, held))
    return tiny


def figures_of(tiny: AutoencoderTiny, held_out: EncodedPictures) -> dict[str, float]:
    """PSNR in dB of the decoder on demo's encodings and of both halves; deviation of the encoder from demo's."""
    with torch.no_grad():
        latents = tiny.encode(held_out.pictures).latents
        return {
            "psnr": psnr_of_tensors(held_out.pictures, tiny.decode(held_out.mean).sample),
            "psnr_both": psnr_of_tensors(held_out.pictures, tiny.decode(latents).sample),
            "encoder_error": float((latents - held_out.mean).std()),
        }


def write_tiny(out: Path) -> None:
    """Write the checkpoint, float16, and `curve.jsonl` to `out`.

    Raises:
        FileExistsError: `out` exists; it is not changed.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True)
    train_tiny(Curve(out / "curve.jsonl")).half().save_pretrained(out)
