"""The two demo models as data, and shared parts of their training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """Training plan of one model.

    Args:
        style: Style that its denoiser draws, one of `draw.STYLES`.
        seed: Seed of all random numbers.
        latent_gain: Gain folded into the VAE, so that the two models' latents have clearly different values.
        vae_steps: Training steps of the VAE.
        diffusion_steps: Training steps of the denoiser and text encoder.
    """

    style: str
    seed: int
    latent_gain: float
    vae_steps: int = 5000
    diffusion_steps: int = 2200


PLANS: Mapping[str, ModelPlan] = {
    "demo": ModelPlan(style="flat", seed=11, latent_gain=1.0),
    "demo-b": ModelPlan(style="outlined", seed=23, latent_gain=0.7),
}


@dataclass(slots=True)
class Curve:
    """Learning curves, written as JSON lines during training.

    Args:
        path: File to append to.
    """

    path: Path
    rows: list[dict[str, float | str]] = field(default_factory=list)

    def add(self, stage: str, step: int, seconds: float, **figures: float) -> None:
        """Add one point."""
        row: dict[str, float | str] = {"stage": stage, "step": step, "seconds": round(seconds)}
        row |= {name: round(value, 4) for name, value in figures.items()}
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 `[B, H, W, 3]` to float32 `[B, 3, H, W]` in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
