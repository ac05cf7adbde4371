"""Moving latents between spaces, the only way there is: decode, then encode again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentlink.runtime.latents import Latents
from latentlink.runtime.pipeline import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transferred:
    """What `transfer` made.

    Args:
        latents: In the destination's space.
        psnr: Round-trip loss in dB: the destination's decode of the result against the source's own decode;
            infinite where nothing was decoded because the spaces are the same.
    """

    latents: Latents
    psnr: float


def transfer(latents: Latents, *, source: Pipeline, destination: Pipeline) -> Transferred:
    """Move latents from one bundle's space to another's.

    Args:
        latents: Of `source`'s space.
        source: Decodes them.
        destination: Encodes the pictures (the posterior's mode).

    Raises:
        LinkError: `latents` are not of the source's space.
        UsageError: The destination has no VAE encoder, or the pictures' size does not fit it.
    """
    if source.space == destination.space:
        return Transferred(latents=latents, psnr=float("inf"))
    pictures = source.decode(latents)
    moved = destination.encode(pictures)
    again = destination.decode(moved)
    return Transferred(
        latents=moved, psnr=psnr(np.stack([*map(np.asarray, pictures)]), np.stack([*map(np.asarray, again)]))
    )


def psnr(reference: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures; infinite where they are equal."""
    error = float(np.mean((reference.astype(np.float64) - other.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
