"""The families that are published as single files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.export.checkpoints.single_file.clip import (
    CLIP,
    EARLY_CLIP,
    OPEN_CLIP,
    UNPROJECTED_CLIP,
)
from latentlink.export.checkpoints.single_file.family import FLOW, PREDICTION_TYPES, Family, Slot, TrainingDefaults
from latentlink.export.checkpoints.single_file.flux import FLUX
from latentlink.export.checkpoints.single_file.mmdit import MMDIT
from latentlink.export.checkpoints.single_file.t5 import T5
from latentlink.export.checkpoints.single_file.unet import LDM_PREFIX, UNET
from latentlink.export.checkpoints.single_file.vae import DIFFUSERS_VAE, LDM_VAE

END = "<|endoftext|>"


# Prefixes of denoisers: that of whole models, one that some tools shorten it to, and none for a denoiser alone.
PREFIXES = (LDM_PREFIX, "diffusion_model.", "")
UNETS = Slot(part="unet", cls="UNet2DConditionModel", places=tuple((prefix, UNET) for prefix in PREFIXES))
MMDITS = Slot(part="transformer", cls="SD3Transformer2DModel", places=tuple((prefix, MMDIT) for prefix in PREFIXES))
FLUXES = Slot(part="transformer", cls="FluxTransformer2DModel", places=tuple((prefix, FLUX) for prefix in PREFIXES))

VAE_SLOT = Slot(
    part="vae",
    cls="AutoencoderKL",
    places=(("first_stage_model.", LDM_VAE), ("vae.", LDM_VAE)),
)
VAE_ALONE = Slot(part="vae", cls="AutoencoderKL", places=(("", LDM_VAE), ("", DIFFUSERS_VAE), *VAE_SLOT.places))

T5_ENCODER = ("text_encoders.t5xxl.transformer.", T5)
CLIP_TOKENIZER = ("CLIPTokenizer", END)
OPEN_CLIP_TOKENIZER = ("CLIPTokenizer", "!")
T5_TOKENIZER = ("T5TokenizerFast", None)

# The published scheduler configs. All UNets here were trained with the same noise levels.
BETAS: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
}
PNDM = {"_class_name": "PNDMScheduler", "skip_prk_steps": True, **BETAS}
DDIM = {"_class_name": "DDIMScheduler", **BETAS}
EULER = {"_class_name": "EulerDiscreteScheduler", **BETAS}
FLOW_EULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
DYNAMIC_SHIFT = {
    "use_dynamic_shifting": True,
    "shift": 3.0,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}

FLUX_TEXT = (
    Slot(part="text_encoder", cls="CLIPTextModel", places=(("text_encoders.clip_l.transformer.", CLIP),)),
    Slot(part="text_encoder_2", cls="T5EncoderModel", places=(T5_ENCODER,)),
)

FAMILIES: tuple[Family, ...] = (
    Family(
        title="Stable Diffusion 1",
        denoiser=UNETS,
        fits={
            "cross_attention_dim": 768,
            "use_linear_projection": False,
            "projection_class_embeddings_input_dim": None,
        },
        text_encoders=(
            Slot(
                part="text_encoder",
                cls="CLIPTextModel",
                places=(("cond_stage_model.transformer.", CLIP), ("cond_stage_model.transformer.", EARLY_CLIP)),
            ),
        ),
        tokenizers={"tokenizer": CLIP_TOKENIZER},
        training=dict.fromkeys(PREDICTION_TYPES, TrainingDefaults(scheduler=DDIM, sample_size=64))
        | {"epsilon": TrainingDefaults(scheduler=PNDM, sample_size=64)},
        usual_prediction="epsilon",
        reads={"cross_attention_dim": ("text_encoder",)},
    ),
    Family(
        title="Stable Diffusion 2",
        denoiser=UNETS,
        fits={
            "cross_attention_dim": 1024,
            "use_linear_projection": True,
            "projection_class_embeddings_input_dim": None,
        },
        text_encoders=(
            Slot(part="text_encoder", cls="CLIPTextModel", places=(("cond_stage_model.model.", OPEN_CLIP),)),
        ),
        tokenizers={"tokenizer": OPEN_CLIP_TOKENIZER},
        # base models are of 512 pixels and predict noise, those of 768 predict v
        training=dict.fromkeys(PREDICTION_TYPES, TrainingDefaults(scheduler=DDIM, sample_size=96))
        | {"epsilon": TrainingDefaults(scheduler=PNDM, sample_size=64)},
        usual_prediction=None,
        reads={"cross_attention_dim": ("text_encoder",)},
    ),
    Family(
        title="Stable Diffusion XL",
        denoiser=UNETS,
        fits={"cross_attention_dim": 2048, "projection_class_embeddings_input_dim": 2816},
        text_encoders=(
            Slot(
                part="text_encoder",
                cls="CLIPTextModel",
                places=(("conditioner.embedders.0.transformer.", CLIP),),
            ),
            Slot(
                part="text_encoder_2",
                cls="CLIPTextModelWithProjection",
                places=(("conditioner.embedders.1.model.", OPEN_CLIP),),
            ),
        ),
        tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": OPEN_CLIP_TOKENIZER},
        training=dict.fromkeys(PREDICTION_TYPES, TrainingDefaults(scheduler=EULER, sample_size=128)),
        usual_prediction="epsilon",
        reads={"cross_attention_dim": ("text_encoder", "text_encoder_2")},
        index={"force_zeros_for_empty_prompt": True},
    ),
    Family(
        title="Stable Diffusion XL refiner",
        denoiser=UNETS,
        fits={"cross_attention_dim": 1280, "projection_class_embeddings_input_dim": 2560},
        text_encoders=(
            Slot(
                part="text_encoder_2",
                cls="CLIPTextModelWithProjection",
                places=(("conditioner.embedders.0.model.", OPEN_CLIP),),
            ),
        ),
        tokenizers={"tokenizer_2": OPEN_CLIP_TOKENIZER},
        training=dict.fromkeys(PREDICTION_TYPES, TrainingDefaults(scheduler=EULER, sample_size=128)),
        usual_prediction="epsilon",
        reads={"cross_attention_dim": ("text_encoder_2",)},
        index={"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True},
    ),
    Family(
        title="Stable Diffusion 3",
        denoiser=MMDITS,
        fits={"in_channels": 16, "out_channels": 16},
        text_encoders=(
            Slot(
                part="text_encoder",
                cls="CLIPTextModelWithProjection",
                places=(("text_encoders.clip_l.transformer.", UNPROJECTED_CLIP),),
            ),
            Slot(
                part="text_encoder_2",
                cls="CLIPTextModelWithProjection",
                places=(("text_encoders.clip_g.transformer.", CLIP),),
            ),
            Slot(part="text_encoder_3", cls="T5EncoderModel", places=(T5_ENCODER,)),
        ),
        tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": OPEN_CLIP_TOKENIZER, "tokenizer_3": T5_TOKENIZER},
        training={FLOW: TrainingDefaults(scheduler={**FLOW_EULER, "shift": 3.0}, sample_size=128)},
        usual_prediction=FLOW,
        reads={
            "pooled_projection_dim": ("text_encoder", "text_encoder_2"),
            "joint_attention_dim": ("text_encoder_3",),
        },
    ),
    Family(
        title="FLUX.1 with embedded guidance",
        denoiser=FLUXES,
        fits={"guidance_embeds": True, "out_channels": 64},
        text_encoders=FLUX_TEXT,
        tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": T5_TOKENIZER},
        training={FLOW: TrainingDefaults(scheduler={**FLOW_EULER, **DYNAMIC_SHIFT})},
        usual_prediction=FLOW,
        reads={"pooled_projection_dim": ("text_encoder",), "joint_attention_dim": ("text_encoder_2",)},
        latent_channels=("out_channels", 4),
    ),
    Family(
        title="FLUX.1 without guidance",
        denoiser=FLUXES,
        fits={"guidance_embeds": False, "out_channels": 64},
        text_encoders=FLUX_TEXT,
        tokenizers={"tokenizer": CLIP_TOKENIZER, "tokenizer_2": T5_TOKENIZER},
        training={FLOW: TrainingDefaults(scheduler={**FLOW_EULER, "shift": 1.0, "use_dynamic_shifting": False})},
        usual_prediction=FLOW,
        reads={"pooled_projection_dim": ("text_encoder",), "joint_attention_dim": ("text_encoder_2",)},
        latent_channels=("out_channels", 4),
    ),
)
