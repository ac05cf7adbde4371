"""Stable Diffusion 2.x (epsilon or v-prediction) and its inpainting models: OpenCLIP-H, cross attention 1024 wide.

The checkpoints' text encoder has 23 of OpenCLIP-H's 24 layers, so its last layer is the penultimate one of training.
"""

from __future__ import annotations

from collections.abc import Iterator

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import CLIP_H
from latentlink.export.recipes import latent_diffusion
from latentlink.export.recipes.recipe import Recipe

PUBLISHED = latent_diffusion.PublishedFamily(
    encoder=CLIP_H, unet={"cross_attention_dim": 1024, "block_out_channels": [320, 640, 1280, 1280]}
)


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are Stable Diffusion's and the UNet has linear projections."""
    return latent_diffusion.fits(checkpoint) and bool(checkpoint.settings("unet")["use_linear_projection"])


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The four components."""
    return latent_diffusion.components(checkpoint, options, PUBLISHED)


RECIPE = Recipe(
    title="Stable Diffusion 2.x",
    names=latent_diffusion.NAMES,
    matches=matches,
    components=components,
    sampling=latent_diffusion.sampling,
    clip_skip=0,
    classes=latent_diffusion.CLASSES,
    fits=lambda unet: unet["addition_embed_type"] != "text_time" and bool(unet["use_linear_projection"]),
    pipelines=latent_diffusion.PIPELINES,
    as_read=latent_diffusion.as_read,
)
