"""What Stable Diffusion 1 and 2 share: one CLIP text encoder, a UNet that reads it, an AutoencoderKL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.configs import MASKED_TEXT, check_config
from latentlink.export.graphs import Component
from latentlink.export.parts import (
    Hidden,
    PublishedEncoder,
    TextUNet,
    clip_tokenizer,
    default_sampler,
    denoiser_component,
    load_vae,
    reads_mask,
    size_multiple,
    text_encoder_component,
    trained_size,
    training_schedule,
    unet_config,
    vae_components,
    vae_layout,
)
from latentlink.spaces import KNOWN_SPACES

NAMES = ("vae_encoder", "vae_decoder", "text_encoder", "denoiser")
CLASSES = {"unet": "UNet2DConditionModel", "text_encoder": "CLIPTextModel", "vae": "AutoencoderKL"}
SPACE = KNOWN_SPACES["sd"]
PLAIN, INPAINTING = "StableDiffusionPipeline", "StableDiffusionInpaintPipeline"
DISTILLED = ("LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline")
PIPELINES = (PLAIN, "StableDiffusionImg2ImgPipeline", INPAINTING, *DISTILLED)
AFFINE = ("scaling_factor",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFamily:
    """Values by which a checkpoint of a published family is recognised, as far as configs can tell.

    Args:
        encoder: Its published text encoder.
        unet: Values of the UNet's config.
    """

    encoder: PublishedEncoder
    unet: Mapping[str, object]


def fits(checkpoint: Checkpoint) -> bool:
    """Whether the parts are exactly these, and the UNet reads no sizes, as another family's does."""
    parts = {part: checkpoint.classes.get(part) for part in CLASSES}
    if parts != CLASSES or "text_encoder_2" in checkpoint.classes:
        return False
    return bool(checkpoint.settings("unet")["addition_embed_type"] != "text_time")


def as_read(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as diffusers' pipeline reads it: that of consistency models corrects nothing."""
    if checkpoint.index.get("_class_name") in DISTILLED:
        return checkpoint
    channels, _ = vae_layout(checkpoint.config("vae"))
    return checkpoint.as_read_by(INPAINTING if reads_mask(checkpoint.settings("unet"), channels) else PLAIN)


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`: the family's defaults, and the UNet's training size."""
    checkpoint = as_read(checkpoint)
    unet, scheduler = unet_config(checkpoint), checkpoint.config("scheduler")
    check_config(
        checkpoint.config("text_encoder"),
        MASKED_TEXT,
        what="text_encoder",
        remedy="No recipe of this family has an input for the mask.",
    )
    _, factor = vae_layout(checkpoint.config("vae"))
    height, width = trained_size(unet, 64)
    # A consistency model either reads guidance as an input or has it in its weights.
    guided = unet.get("time_cond_proj_dim") is not None
    distilled = guided or scheduler.get("_class_name") == "LCMScheduler"
    return {
        "schedule": training_schedule(scheduler),
        "sampler": default_sampler(scheduler, "pndm"),
        "steps": 4 if distilled else 50,
        "guidance": 8.5 if guided else 1.0 if distilled else 7.5,
        "width": width * factor,
        "height": height * factor,
        "size_multiple": size_multiple(checkpoint, unet, factor),
    }


def components(checkpoint: Checkpoint, options: ExportOptions, published: PublishedFamily) -> Iterator[Component]:
    """The four components, each loaded on demand."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    unet = unet_config(checkpoint)
    known = all(unet.get(key) == value for key, value in published.unet.items())
    vae, space = load_vae(checkpoint, options, candidate=SPACE if known else None, affine=AFFINE)
    yield from vae_components(vae, space, options)
    del vae
    positions = checkpoint.settings("text_encoder")["max_position_embeddings"]
    encoder = text_encoder_component(
        checkpoint,
        "text_encoder",
        network=CLIPTextModel,
        known=published.encoder,
        outputs=(Hidden(skip=options.clip_skip),),
        tokenizer=clip_tokenizer(checkpoint.folder("tokenizer"), positions),
        options=options,
    )
    texts = encoder.embeddings
    yield encoder
    del encoder
    yield denoiser_component(
        TextUNet(checkpoint.network("unet", UNet2DConditionModel)),
        options=options,
        space=space,
        texts=texts,
        guidance="embedded" if unet.get("time_cond_proj_dim") is not None else "cfg",
        repaints=reads_mask(unet, space.channels),
    )
