"""Latents to pictures and back: tiles within a memory budget, a wider engine where one overflowed."""

from __future__ import annotations

from latentlink.runtime.vae.autoencoder import Autoencoder
from latentlink.runtime.vae.guarded import GuardedVae

__all__ = [
    # both halves
    "Autoencoder",
    "GuardedVae",
]  # fmt: skip
