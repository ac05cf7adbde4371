"""Quality figures of the trained demo models.

python -m latentlink.bench.studies.demo_models OUT.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from latentlink.demo import NAMES, checkpoint
from latentlink.demo.check import PictureCheck, check
from latentlink.demo.draw import STYLES, batch
from latentlink.demo.grammar import held_out
from latentlink.engine.quality import psnr
from latentlink.terminal.module import OutFile, command, run_command

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

SEED = 0
"""Seed of the noise of the first caption; it was not chosen for its pictures."""


def measure_models() -> dict[str, Any]:
    """Sample every held-out caption with both models, check the pictures, and compare the two VAEs.

    Returns:
        For each model: accuracies over the 88 captions, the wrong captions, PSNR of reconstruction in both styles,
        deviations of raw and scaled latents. For each direction between the two: PSNR against the right picture of the
        forced decode and of the transfer by decoding and encoding. All PSNRs are in dB.
    """
    from latentlink.demo.sampling import GUIDANCE, STEPS, decode, encode, load_pipeline, sample

    captions = [scene.caption for scene in held_out()]
    pipelines = {name: load_pipeline(checkpoint(name)) for name in NAMES}
    latents = {name: sample(pipelines[name], captions, SEED) for name in NAMES}
    pictures = {name: decode(pipelines[name].vae, latents[name]) for name in NAMES}
    figures: dict[str, Any] = {"steps": STEPS, "guidance": GUIDANCE, "captions": len(captions)}
    for name in NAMES:
        figures[name] = accuracy(pictures[name]) | reconstruction(pipelines[name])
    for name, other in (NAMES, NAMES[::-1]):
        vae, right = pipelines[other].vae, pictures[name]
        forced, moved = decode(vae, latents[name]), decode(vae, encode(vae, right))
        figures[f"{name} to {other}"] = {
            "forced_psnr_db": round(psnr(right, forced), 2),
            "forced_right": accuracy(forced)["right"],
            "transfer_psnr_db": round(psnr(right, moved), 2),
            "transfer_right": accuracy(moved)["right"],
        }
    return figures


def accuracy(pictures: NDArray[np.uint8]) -> dict[str, Any]:
    """Accuracy of pictures of the held-out captions, `[88, 64, 64, 3]`."""
    verdicts = [check(picture, scene) for picture, scene in zip(pictures, held_out(), strict=True)]
    return {
        "right": sum(verdict.right for verdict in verdicts),
        "right_of_first_64": sum(verdict.right for verdict in verdicts[:64]),
        "right_shape": sum(verdict.right_shape for verdict in verdicts),
        "wrong": [_description(verdict) for verdict in verdicts if not verdict.right],
        "wrong_shape": [_description(verdict) for verdict in verdicts if not verdict.right_shape],
    }


def reconstruction(pipeline: StableDiffusionPipeline) -> dict[str, Any]:
    """PSNR of encoding and decoding new pictures in each style in dB, and the deviation of their latents."""
    from latentlink.demo.sampling import decode, encode

    scenes, vae = held_out(), pipeline.vae
    found: dict[str, Any] = {"scaling_factor": vae.config.scaling_factor}
    for style in STYLES:
        drawn = batch(list(scenes), style, np.random.default_rng(2026))
        latents = encode(vae, drawn)
        found |= {
            f"reconstruction_psnr_db_{style}": round(psnr(drawn, decode(vae, latents)), 2),
            f"latent_deviation_{style}": round(float(latents.std()), 3),
            f"raw_latent_deviation_{style}": round(float(latents.std()) / vae.config.scaling_factor, 3),
        }
    return found


def _description(verdict: PictureCheck) -> str:
    seen = f"{verdict.colour or '?'} {verdict.shape or '?'} on {verdict.background or '?'}"
    return f"{verdict.scene.caption}: {seen}"


@command(__doc__)
@click.argument("out", type=OutFile())
def main(out: Path) -> None:
    """Measure and write."""
    import torch

    torch.set_num_threads(1)
    out.write_text(json.dumps(measure_models(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
