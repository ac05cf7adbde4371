"""The parts of a model as modules for tracing: text encoders, the step, the halves of a VAE."""

from __future__ import annotations

from latentlink.export.parts.denoiser import denoiser_component
from latentlink.export.parts.fit import check_channels, check_width, misfit
from latentlink.export.parts.identity import distilled_space, spaces_of, text_embedding, vae_layout
from latentlink.export.parts.schedule import (
    default_sampler,
    flow_schedule,
    replaced_scheduler_note,
    training_schedule,
)
from latentlink.export.parts.taesd import Taesd
from latentlink.export.parts.text import (
    CLIP_G,
    CLIP_H,
    CLIP_L,
    T5_XXL,
    Hidden,
    Pooled,
    PublishedEncoder,
    embedding_of,
    text_encoder_component,
)
from latentlink.export.parts.tokenizer import clip_tokenizer, t5_tokenizer
from latentlink.export.parts.unet import SizedUNet, TextUNet, reads_mask, trained_size, unet_config
from latentlink.export.parts.upsampling import size_multiple
from latentlink.export.parts.vae import Affine, VaeDecoder, VaeEncoder, halves_as_components, load_vae, vae_components

__all__ = [
    # text encoders
    "CLIP_G",
    "CLIP_H",
    "CLIP_L",
    "T5_XXL",
    "Hidden",
    "Pooled",
    "PublishedEncoder",
    "embedding_of",
    "text_encoder_component",
    "clip_tokenizer",
    "t5_tokenizer",
    # denoisers
    "denoiser_component",
    "SizedUNet",
    "TextUNet",
    "reads_mask",
    "size_multiple",
    "trained_size",
    "unet_config",
    # schedules
    "default_sampler",
    "flow_schedule",
    "replaced_scheduler_note",
    "training_schedule",
    # whether parts fit together
    "check_channels",
    "check_width",
    "misfit",
    # VAEs and their spaces
    "Affine",
    "Taesd",
    "VaeDecoder",
    "VaeEncoder",
    "halves_as_components",
    "load_vae",
    "vae_components",
    "distilled_space",
    "spaces_of",
    "vae_layout",
    # identity by weights
    "text_embedding",
]  # fmt: skip
