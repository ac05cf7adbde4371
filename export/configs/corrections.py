"""Values that pipelines of diffusers correct in configs that they take for outdated, and say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One value that a pipeline's constructor corrects.

    Args:
        part: Part of the checkpoint.
        key: Key of its config.
        value: The value that is used instead.
        outdated: Whether it is used for this config, which has the defaults of its class.
    """

    part: str
    key: str
    value: object
    outdated: Callable[[Mapping[str, Any]], bool]


# `is True` and `is False`, as in diffusers: a scheduler that has no such key is left as it is.
STEPS_OFFSET = Correction(
    part="scheduler", key="steps_offset", value=1, outdated=lambda config: config.get("steps_offset", 1) != 1
)
CLIP_SAMPLE = Correction(
    part="scheduler", key="clip_sample", value=False, outdated=lambda config: config.get("clip_sample") is True
)
SKIP_PRK_STEPS = Correction(
    part="scheduler", key="skip_prk_steps", value=True, outdated=lambda config: config.get("skip_prk_steps") is False
)
SAMPLE_SIZE = Correction(
    part="unet",
    key="sample_size",
    value=64,
    outdated=lambda config: (
        _before_0_9(config.get("_diffusers_version"))
        and type(config.get("sample_size")) is int
        and config["sample_size"] < 64
    ),
)

CORRECTIONS: Mapping[str, tuple[Correction, ...]] = {
    "StableDiffusionPipeline": (STEPS_OFFSET, CLIP_SAMPLE, SAMPLE_SIZE),
    "StableDiffusionImg2ImgPipeline": (STEPS_OFFSET, CLIP_SAMPLE, SAMPLE_SIZE),
    "StableDiffusionInpaintPipeline": (STEPS_OFFSET, SKIP_PRK_STEPS, SAMPLE_SIZE),
}
"""By pipeline class of diffusers; other classes correct nothing."""


def _before_0_9(version: object) -> bool:
    """Whether a config was written by diffusers before 0.9, which wrote a sample_size of 32 for every model."""
    numbers = re.match(r"v?(\d+)(?:\.(\d+))?", str(version))
    return numbers is not None and (int(numbers[1]), int(numbers[2] or 0)) < (0, 9)
