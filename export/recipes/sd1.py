"""Stable Diffusion 1.x, its inpainting models and its latent consistency models: CLIP-L, cross attention 768 wide."""

from __future__ import annotations

from collections.abc import Iterator

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import CLIP_L
from latentlink.export.recipes import latent_diffusion
from latentlink.export.recipes.recipe import Recipe

PUBLISHED = latent_diffusion.PublishedFamily(
    encoder=CLIP_L, unet={"cross_attention_dim": 768, "block_out_channels": [320, 640, 1280, 1280]}
)


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are Stable Diffusion's and the UNet has convolutional projections, as in version 1."""
    return latent_diffusion.fits(checkpoint) and not checkpoint.settings("unet")["use_linear_projection"]


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The four components."""
    return latent_diffusion.components(checkpoint, options, PUBLISHED)


RECIPE = Recipe(
    title="Stable Diffusion 1.x",
    names=latent_diffusion.NAMES,
    matches=matches,
    components=components,
    sampling=latent_diffusion.sampling,
    clip_skip=0,
    classes=latent_diffusion.CLASSES,
    fits=lambda unet: unet["addition_embed_type"] != "text_time" and not unet["use_linear_projection"],
    pipelines=latent_diffusion.PIPELINES,
    as_read=latent_diffusion.as_read,
)
