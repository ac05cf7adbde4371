"""A diffusers directory as one file in the layout its model was first published in.

The inverse of what `export/checkpoints/single_file/` and `taesd.py` read, for random-weight checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from latentlink.bench.fuzz.original_networks import State, clip, flux, mmdit, open_clip, t5, unet, vae

Writer = Callable[[State, Mapping[str, Any]], dict[str, Tensor]]

# Prefix and layout of every part, by the class of the denoiser and how wide its text is.
LAYOUTS: Mapping[tuple[str, int | None], Mapping[str, tuple[str, Writer]]] = {
    ("UNet2DConditionModel", 768): {"text_encoder": ("cond_stage_model.transformer.", clip)},
    ("UNet2DConditionModel", 1024): {"text_encoder": ("cond_stage_model.model.", open_clip)},
    ("UNet2DConditionModel", 1280): {"text_encoder_2": ("conditioner.embedders.0.model.", open_clip)},
    ("UNet2DConditionModel", 2048): {
        "text_encoder": ("conditioner.embedders.0.transformer.", clip),
        "text_encoder_2": ("conditioner.embedders.1.model.", open_clip),
    },
    ("SD3Transformer2DModel", None): {
        "transformer": ("model.diffusion_model.", mmdit),
        "text_encoder": ("text_encoders.clip_l.transformer.", clip),
        "text_encoder_2": ("text_encoders.clip_g.transformer.", clip),
        "text_encoder_3": ("text_encoders.t5xxl.transformer.", t5),
    },
    ("FluxTransformer2DModel", None): {
        "transformer": ("model.diffusion_model.", flux),
        "text_encoder": ("text_encoders.clip_l.transformer.", clip),
        "text_encoder_2": ("text_encoders.t5xxl.transformer.", t5),
        "vae": ("vae.", vae),
    },
}
EVERYWHERE: Mapping[str, tuple[str, Writer]] = {
    "unet": ("model.diffusion_model.", unet),
    "vae": ("first_stage_model.", vae),
}


def original_state(checkpoint: Path) -> dict[str, Tensor]:
    """All networks of a diffusers directory under the names of a single file, in the directory's dtypes."""
    from safetensors.torch import load_file

    denoiser = checkpoint / ("unet" if (checkpoint / "unet").is_dir() else "transformer")
    config = _config(denoiser)
    layouts = {**EVERYWHERE, **LAYOUTS[config["_class_name"], config.get("cross_attention_dim")]}
    out: dict[str, Tensor] = {}
    for part, (prefix, write) in layouts.items():
        for weights in (checkpoint / part).glob("*.safetensors"):
            original = write(load_file(weights), _config(checkpoint / part))
            out |= {prefix + name: tensor.clone() for name, tensor in original.items()}
    return out


def taesd_decoder_state(checkpoint: Path) -> dict[str, Tensor]:
    """The decoder of an `AutoencoderTiny` as its author's file: his first layer, a clamp, has no weights."""
    from safetensors.torch import load_file

    stored = load_file(checkpoint / "diffusion_pytorch_model.safetensors")
    names = {name: name.removeprefix("decoder.layers.").split(".", 1) for name in stored if name.startswith("decoder.")}
    return {f"{int(layer) + 1}.{rest}": stored[name].contiguous() for name, (layer, rest) in names.items()}


def _config(folder: Path) -> Mapping[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config
