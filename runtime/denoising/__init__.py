"""The denoising loop: its start, its conditioning, and one engine run for every row."""

from __future__ import annotations

from latentlink.runtime.denoising.guidance import guided_rows
from latentlink.runtime.denoising.loop import OnStep, Progress, denoise
from latentlink.runtime.denoising.start import begin
from latentlink.runtime.denoising.step_cache import reuse_of

__all__ = [
    # the loop
    "denoise",
    "OnStep",
    "Progress",
    "begin",
    # what a row reads
    "guided_rows",
    "reuse_of",
]  # fmt: skip
