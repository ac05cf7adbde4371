"""A demo model's whole checkpoint, trained from scratch."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizerFast

from latentlink.demo.tokenizer import write_tokenizer
from latentlink.demo.training.diffusion import train_diffusion
from latentlink.demo.training.model import PLANS, Curve
from latentlink.demo.training.vae import train_vae

BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}

SCHEDULER = BETAS | {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.30.0",
    "clip_sample": False,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
}
"""DDIM, as PNDM with guidance 5 is unstable here in 30 steps; `skip_prk_steps` is for users who select PNDM."""


def train(name: str, out: Path) -> None:
    """Train the model `name` and write its diffusers checkpoint, float16, and `curve.jsonl` to `out`.

    Args:
        name: A key of `model.PLANS`.
        out: Folder to make.

    Raises:
        FileExistsError: `out` exists; it is not changed.
    """
    torch.set_num_threads(1)
    plan = PLANS[name]
    out.mkdir(parents=True)
    curve = Curve(out / "curve.jsonl")
    write_tokenizer(out / "tokenizer")
    tokenizer = CLIPTokenizerFast.from_pretrained(out / "tokenizer")
    (out / "tokenizer" / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    vae = train_vae(plan, curve)
    vae.half().save_pretrained(out / "vae")
    vae.float()
    unet, text = train_diffusion(plan, vae, tokenizer, DDPMScheduler(**BETAS), curve)
    save(out, unet, text)


def save(out: Path, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
    """Save everything but the VAE and the tokenizer, which are already saved."""
    unet.half().save_pretrained(out / "unet")
    text.half().save_pretrained(out / "text_encoder")
    add_prefix(out / "text_encoder" / "model.safetensors")
    load_as_float32(out / "text_encoder" / "config.json")
    (out / "scheduler").mkdir()
    (out / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2) + "\n", encoding="utf-8")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.30.0",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def load_as_float32(config: Path) -> None:
    """State float32 in a config: transformers 5 loads in the stated dtype, diffusers in float32 by default."""
    values = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def add_prefix(file: Path) -> None:
    """Add the prefix `text_model.` to CLIP's weights, which readers before transformers 5 expect."""
    state = load_file(file)
    renamed = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in state.items()}
    save_file(renamed, file, metadata={"format": "pt"})
