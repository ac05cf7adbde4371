"""A generation as requested and as resolved: sizes, prompts, pictures, limits."""

from __future__ import annotations

from latentlink.runtime.request.checks import check, check_sample, each_picture, following, prompts, seeds
from latentlink.runtime.request.docstrings import documented
from latentlink.runtime.request.inputs import Inputs, size_of
from latentlink.runtime.request.latents import Latents, check_latents
from latentlink.runtime.request.limits import check_limits, nearest
from latentlink.runtime.request.memory import check_memory
from latentlink.runtime.request.pictures import as_list, check_pixels, mask_pixels, pixels
from latentlink.runtime.request.resolved import Request, check_sampling, resolve

__all__ = [
    # requested and resolved
    "Inputs",
    "Request",
    "resolve",
    # their documentation
    "documented",
    # checks
    "check",
    "check_sample",
    "each_picture",
    "following",
    "prompts",
    "seeds",
    "size_of",
    "check_limits",
    "check_memory",
    "check_sampling",
    "nearest",
    # latents and pictures as arrays
    "Latents",
    "check_latents",
    "as_list",
    "check_pixels",
    "mask_pixels",
    "pixels",
]  # fmt: skip
