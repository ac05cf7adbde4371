"""Bundle to picture: link, sessions, samplers, noise, pipeline, transfer. No torch, no model family."""

from __future__ import annotations

from latentlink.runtime.bundle_names import bundle_path
from latentlink.runtime.chain import Chained, Hop, Stage, chain
from latentlink.runtime.denoising import Progress
from latentlink.runtime.linking import Decision
from latentlink.runtime.loading import load
from latentlink.runtime.pipeline import Pipeline, Result
from latentlink.runtime.request import Latents
from latentlink.runtime.transfer import Transferred, transfer

__all__ = [
    "Chained",
    "Decision",
    "Hop",
    "Latents",
    "Pipeline",
    "Progress",
    "Result",
    "Stage",
    "Transferred",
    "bundle_path",
    "chain",
    "load",
    "transfer",
]
