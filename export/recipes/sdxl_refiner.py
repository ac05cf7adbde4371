"""The Stable Diffusion XL refiner: one text encoder, conditioned on an aesthetic score (Podell et al., 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import SizedUNet, denoiser_component, load_vae, unet_config, vae_components
from latentlink.export.recipes import sdxl
from latentlink.export.recipes.recipe import Recipe
from latentlink.spaces import KNOWN_SPACES

CLASSES = {
    "unet": "UNet2DConditionModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "vae": "AutoencoderKL",
}
NAMES = ("vae_encoder", "vae_decoder", "text_encoder_2", "denoiser")
UNET = {"cross_attention_dim": 1280, "block_out_channels": [384, 768, 1536, 1536]}

# Each with the value for unconditional rows, where that differs.
CONDITIONS: Mapping[str, list[list[float] | None]] = {
    "original_size": [[0, 0], None],
    "crop": [[0, 0], None],
    "aesthetic_score": [[6.0], [2.5]],
}


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are this family's, and the first text encoder is absent."""
    parts = {part: checkpoint.classes.get(part) for part in CLASSES}
    return parts == CLASSES and "text_encoder" not in checkpoint.classes


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`."""
    numbers = sum(len(value or []) for value, _ in conditions(checkpoint).values())
    unet = unet_config(checkpoint, texts=("text_encoder_2",), numbers=numbers, repaints=False)
    return {**sdxl.sampling_of(checkpoint, unet), "conditions": conditions(checkpoint)}


def conditions(checkpoint: Checkpoint) -> Mapping[str, list[list[float] | None]]:
    """The conditions with their defaults: a score, or the size that a base model reads in its place."""
    if checkpoint.index.get("requires_aesthetics_score", False):
        return CONDITIONS
    return {name: [[*map(float, value)], None] for name, value in sdxl.CONDITIONS.items()}


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The four components, each loaded on demand."""
    from diffusers import UNet2DConditionModel

    unet, read = checkpoint.settings("unet"), conditions(checkpoint)
    known = all(unet.get(key) == value for key, value in UNET.items())
    vae, space = load_vae(checkpoint, options, candidate=KNOWN_SPACES["sdxl"] if known else None, affine=sdxl.AFFINE)
    yield from vae_components(vae, space, options)
    del vae
    encoder = sdxl.second_encoder(checkpoint, options)
    texts = encoder.embeddings
    yield encoder
    del encoder
    yield denoiser_component(
        SizedUNet(
            checkpoint.network("unet", UNet2DConditionModel),
            texts=1,
            sizes=tuple(name.endswith("size") for name in read),
            downscale=space.downscale,
        ),
        options=options,
        space=space,
        texts=texts,
        conditions={name: len(value or []) for name, (value, _) in read.items()},
    )


RECIPE = Recipe(
    title="Stable Diffusion XL refiner",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
    clip_skip=1,
    classes=CLASSES,
    fits=lambda unet: unet["addition_embed_type"] == "text_time" and sdxl.reads_one_encoder(unet),
    pipelines=sdxl.PIPELINES[1:],
)
