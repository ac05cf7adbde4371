"""From latents to pictures and back: tiles within a memory budget, and a wider engine after an overflow."""

from __future__ import annotations

from latentlink.runtime.vae.autoencoder import Autoencoder
from latentlink.runtime.vae.guarded import GuardedVae

__all__ = [
    # both halves
    "Autoencoder",
    "GuardedVae",
]  # fmt: skip
