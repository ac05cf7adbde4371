"""The denoising loop: its start, its conditioning, and one engine run for every row of the runs that step together."""

from __future__ import annotations

from latentlink.runtime.denoising.guidance import guided_rows
from latentlink.runtime.denoising.loop import denoise
from latentlink.runtime.denoising.progress import Change, OnStep, Progress, answer_of
from latentlink.runtime.denoising.step_cache import Unmeasured

__all__ = [
    # the loop
    "denoise",
    # what a caller sees and changes
    "answer_of",
    "Change",
    "OnStep",
    "Progress",
    # what a row reads
    "guided_rows",
    "Unmeasured",
]  # fmt: skip
