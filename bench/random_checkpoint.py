"""Random-weight checkpoints of a real family's classes and sizes: the work without the pictures.

python -m latentlink.bench.random_checkpoint sd15 OUT     # Stable Diffusion 1.5's true size, 4.3 GB
python -m latentlink.bench.random_checkpoint tiny OUT     # the same classes, 1 MB
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Constructor arguments of the three networks, and the tokenizer's vocabulary."""

    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text: Mapping[str, Any]
    vocabulary: int


SIZES: Mapping[str, Size] = {
    # runwayml/stable-diffusion-v1-5's configs; the VAE's states no scaling_factor there either
    "sd15": Size(
        unet={"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
        vae={
            "block_out_channels": (128, 256, 512, 512),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "sample_size": 512,
        },
        text={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "projection_dim": 768,
        },
        vocabulary=49408,
    ),
    # dimensions that no published model has, so that nothing fits by chance
    "tiny": Size(
        unet={
            "sample_size": 8,
            "block_out_channels": (24, 40),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "layers_per_block": 1,
            "cross_attention_dim": 36,
            "attention_head_dim": 4,
            "norm_num_groups": 4,
        },
        vae={
            "block_out_channels": (12, 20),
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2,
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "sample_size": 16,
            "scaling_factor": 0.4321,
        },
        text={
            "hidden_size": 36,
            "intermediate_size": 56,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "projection_dim": 36,
        },
        vocabulary=700,
    ),
}


def make_checkpoint(size: str, out: Path, *, seed: int = 0, dtype: str = "float32") -> Path:
    """Write a diffusers checkpoint with random weights.

    Args:
        size: One of `SIZES`.
        out: Directory to make.
        seed: Of torch's generator.
        dtype: `float32`, or `float16` for half the disk.
    """
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    wanted = SIZES[size]
    torch_dtype = getattr(torch, dtype)
    torch.manual_seed(seed)
    end = wanted.vocabulary - 1
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=wanted.vocabulary,
            max_position_embeddings=77,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
            **wanted.text,
        )
    )
    text.to(torch_dtype).save_pretrained(out / "text_encoder")
    UNet2DConditionModel(**wanted.unet).to(torch_dtype).save_pretrained(out / "unet")
    vae = AutoencoderKL(latent_channels=4, **wanted.vae).to(torch_dtype)
    vae.save_pretrained(out / "vae")
    if "scaling_factor" not in wanted.vae:
        _edit(out / "vae" / "config.json", lambda config: config.pop("scaling_factor"))
    (out / "scheduler").mkdir()
    _write(out / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_tokenizer(out / "tokenizer", wanted.vocabulary)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    _write(out / "model_index.json", index)
    return out


def write_tokenizer(folder: Path, vocabulary: int) -> None:
    """A byte-level BPE tokenizer in CLIP's files, its merges being pairs of letters in order."""
    codes = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(code) for code in codes] + [chr(256 + n) for n in range(256 - len(codes))]
    tokens = letters + [letter + "</w>" for letter in letters]
    wanted = vocabulary - len(tokens) - 2
    pairs = [(first, second) for first in letters for second in letters][:wanted]
    tokens += [first + second for first, second in pairs] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    _write(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    merges = "\n".join(["#version: 0.2", *(f"{first} {second}" for first, second in pairs)])
    (folder / "merges.txt").write_text(merges + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    special["pad_token"] = "<|endoftext|>"
    _write(folder / "special_tokens_map.json", special)
    _write(
        folder / "tokenizer_config.json",
        special | {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True},
    )


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _edit(path: Path, change: Any) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    _write(path, value)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SIZES:
        sys.exit(f"usage: python -m latentlink.bench.random_checkpoint {'|'.join(SIZES)} OUT")
    make_checkpoint(sys.argv[1], Path(sys.argv[2]))
