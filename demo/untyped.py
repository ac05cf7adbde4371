"""The classes of diffusers and transformers that the demo uses, for a type checker as `Any`.

Neither library's types survive strict checking (decorators and lazy imports hide the methods), so that
this is the one place where types end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    AutoencoderKL = Any
    CLIPTextConfig = Any
    CLIPTextModel = Any
    CLIPTokenizerFast = Any
    DDIMScheduler = Any
    DDPMScheduler = Any
    StableDiffusionPipeline = Any
    UNet2DConditionModel = Any
else:
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

__all__ = [
    "AutoencoderKL",
    "CLIPTextConfig",
    "CLIPTextModel",
    "CLIPTokenizerFast",
    "DDIMScheduler",
    "DDPMScheduler",
    "StableDiffusionPipeline",
    "UNet2DConditionModel",
]
