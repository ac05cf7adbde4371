"""Bundle to picture: link, sessions, samplers, noise, pipeline, transfer. No torch, no model family."""

from __future__ import annotations

from latentlink.runtime.denoise import Progress
from latentlink.runtime.latents import Latents
from latentlink.runtime.loading import bundle_path, load
from latentlink.runtime.pipeline import Pipeline, Result
from latentlink.runtime.transfer import Transferred, transfer

__all__ = ["Latents", "Pipeline", "Progress", "Result", "Transferred", "bundle_path", "load", "transfer"]
