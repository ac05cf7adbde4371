"""`demo-ft`, demo's VAE with another decoder.

As in Stability's ft-mse VAEs, the encoder is frozen, so that the latent space does not change, and the decoder is
trained further with the squared error, here on noisier latents and on the one style that demo draws.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from latentlink.demo.draw import batch
from latentlink.demo.grammar import scenes
from latentlink.demo.training.encoded import EncodedPictures, decode_latents, demo_vae
from latentlink.demo.training.model import Curve, to_tensor
from latentlink.demo.training.muon import Optimizer
from latentlink.demo.training.vae import BATCH, POOL, psnr_of_tensors

SEED = 41
STEPS = 600
NOISE = 0.2
"""Maximum deviation of the noise on latents, which have deviation 1."""


def finetune(curve: Curve) -> AutoencoderKL:
    """Train demo's decoder further with MSE + 0.1 L1 on the drawn pictures.

    Args:
        curve: Collects the decoder's figures on held-out pictures.
    """
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    vae = demo_vae().to(memory_format=torch.channels_last)
    drawn, held = (
        EncodedPictures.of(vae, flat(source, n)) for source, n in ((rng, POOL), (np.random.default_rng(SEED + 1), 256))
    )
    with torch.no_grad():
        before = decode_latents(vae, held.mean)
    optimizer = Optimizer([vae.decoder, vae.post_quant_conv], steps=STEPS, muon_lr=0.01, adam_lr=1e-3, ema=0.99)
    began = perf_counter()
    for step in range(STEPS):
        rows = torch.from_numpy(rng.integers(0, len(drawn.pictures), BATCH))
        x, y = drawn.pictures[rows], decode_latents(vae, drawn.sample(rows, NOISE))
        optimizer.step(mse_loss(y, x) + 0.1 * l1_loss(y, x))
        if step % 100 == 0:
            curve.add("finetune", step, perf_counter() - began, psnr=psnr_of_tensors(x, y.detach()))
    optimizer.use_average()
    vae.to(memory_format=torch.contiguous_format).eval()
    with torch.no_grad():
        after = decode_latents(vae, held.mean)
    figures = {"psnr_before": psnr_of_tensors(held.pictures, before), "psnr": psnr_of_tensors(held.pictures, after)}
    curve.add(
        "finetune", STEPS, perf_counter() - began, **figures, psnr_between=psnr_of_tensors(before.clamp(-1, 1), after)
    )
    return vae


def flat(rng: np.random.Generator, count: int) -> Tensor:
    """Flat pictures of random scenes, float32 `[count, 3, 64, 64]` in -1..1."""
    every = list(scenes())
    return to_tensor(batch([every[i] for i in rng.integers(0, len(every), count)], "flat", rng))


def write_finetuned(out: Path) -> None:
    """Write the checkpoint, float16, and `curve.jsonl` to `out`.

    Raises:
        FileExistsError: `out` exists; it is not changed.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True)
    finetune(Curve(out / "curve.jsonl")).half().save_pretrained(out)
