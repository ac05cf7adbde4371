"""Stable Diffusion XL, its inpainting, Turbo, Lightning and latent consistency models (Podell et al., 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import (
    CLIP_G,
    CLIP_L,
    Hidden,
    Pooled,
    SizedUNet,
    clip_tokenizer,
    default_sampler,
    denoiser_component,
    embedding_of,
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
from latentlink.export.recipes.recipe import Recipe
from latentlink.spaces import KNOWN_SPACES

CLASSES = {
    "unet": "UNet2DConditionModel",
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "vae": "AutoencoderKL",
}
NAMES = ("vae_encoder", "vae_decoder", "text_encoder", "text_encoder_2", "denoiser")
PIPELINES = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline")
AFFINE = ("scaling_factor", "latents_mean", "latents_std")
UNET = {"cross_attention_dim": 2048, "block_out_channels": [320, 640, 1280]}

# Height and width, where 0 is the picture's own; top and left.
CONDITIONS = {"original_size": [0, 0], "crop": [0, 0], "target_size": [0, 0]}
SIZES = (True, False, True)
NUMBERS = sum(map(len, CONDITIONS.values()))

# Steps and guidance. Models distilled to sample from the last timestep are recognised by their scheduler's class.
DEFAULT = (50, 5.0)
TRAILING = {"EulerAncestralDiscreteScheduler": (1, 0.0), "EulerDiscreteScheduler": (4, 0.0)}


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are this family's."""
    return {part: checkpoint.classes.get(part) for part in CLASSES} == CLASSES


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`: the family's defaults, or those of the distilled models."""
    unet = unet_config(checkpoint, texts=("text_encoder", "text_encoder_2"), numbers=NUMBERS)
    return sampling_of(checkpoint, unet)


def sampling_of(checkpoint: Checkpoint, unet: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same for a UNet with this config."""
    scheduler = checkpoint.config("scheduler")
    _, factor = vae_layout(checkpoint.config("vae"))
    height, width = trained_size(unet, 128)
    steps, guidance = _steps_and_guidance(unet, scheduler)
    return {
        "schedule": training_schedule(scheduler),
        "sampler": default_sampler(scheduler, "euler"),
        "steps": steps,
        "guidance": guidance,
        "width": width * factor,
        "height": height * factor,
        "size_multiple": size_multiple(checkpoint, unet, factor),
        "unconditional": "zeros" if checkpoint.index.get("force_zeros_for_empty_prompt", True) else "empty",
        "conditions": {name: [value, None] for name, value in CONDITIONS.items()},
    }


def _steps_and_guidance(unet: Mapping[str, Any], scheduler: Mapping[str, Any]) -> tuple[int, float]:
    kind = str(scheduler.get("_class_name"))
    if kind == "LCMScheduler":
        # a consistency model either reads guidance as an input or has it in its weights
        return 4, 1.0 if unet.get("time_cond_proj_dim") is None else 8.0
    # Other models start from pure noise because of their prediction type or a training down to zero SNR.
    whole = scheduler.get("prediction_type") == "v_prediction" or scheduler.get("rescale_betas_zero_snr")
    if whole or scheduler.get("timestep_spacing") != "trailing":
        return DEFAULT
    return TRAILING.get(kind, DEFAULT)


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The five components, each loaded on demand."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    unet = checkpoint.settings("unet")
    known = all(unet.get(key) == value for key, value in UNET.items())
    vae, space = load_vae(checkpoint, options, candidate=KNOWN_SPACES["sdxl"] if known else None, affine=AFFINE)
    yield from vae_components(vae, space, options)
    del vae
    hidden = Hidden(skip=options.clip_skip + 1, norm=False)
    first = text_encoder_component(
        checkpoint,
        "text_encoder",
        network=CLIPTextModel,
        known=CLIP_L,
        outputs=(hidden,),
        tokenizer=clip_tokenizer(checkpoint.folder("tokenizer"), 77),
        options=options,
    )
    texts = [embedding_of(first, hidden.output)]
    yield first
    del first
    second = second_encoder(checkpoint, options)
    texts += second.embeddings
    yield second
    del second
    yield denoiser_component(
        SizedUNet(checkpoint.network("unet", UNet2DConditionModel), texts=2, sizes=SIZES, downscale=space.downscale),
        options=options,
        space=space,
        texts=texts,
        conditions={name: len(value) for name, value in CONDITIONS.items()},
        guidance="embedded" if unet.get("time_cond_proj_dim") is not None else "cfg",
        repaints=reads_mask(unet, space.channels),
    )


def reads_one_encoder(unet: Mapping[str, Any]) -> bool:
    """Whether a UNet that reads sizes has one text encoder, as the refiner: its text is as wide as the pooled one."""
    width, pooled_and_sizes = unet["cross_attention_dim"], unet["projection_class_embeddings_input_dim"]
    size = unet["addition_time_embed_dim"]
    if not all(type(number) is int for number in (width, pooled_and_sizes, size)):
        return False
    return pooled_and_sizes - width in (5 * size, 6 * size)


def second_encoder(checkpoint: Checkpoint, options: ExportOptions) -> Component:
    """OpenCLIP-bigG, which the refiner shares: hidden states before the last layer, and the projected pooled vector."""
    from transformers import CLIPTextModelWithProjection

    return text_encoder_component(
        checkpoint,
        "text_encoder_2",
        network=CLIPTextModelWithProjection,
        known=CLIP_G,
        outputs=(Hidden(skip=options.clip_skip + 1, norm=False), Pooled()),
        tokenizer=clip_tokenizer(checkpoint.folder("tokenizer_2"), 77),
        options=options,
    )


RECIPE = Recipe(
    title="Stable Diffusion XL",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
    clip_skip=1,
    classes=CLASSES,
    fits=lambda unet: unet["addition_embed_type"] == "text_time" and not reads_one_encoder(unet),
    pipelines=PIPELINES,
)
