"""Mutations of checkpoints: configs of a diffusers directory, and the tensors of a single file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from typing import Any

from latentlink.bench.fuzz.mutations.json_values import mutate_json
from latentlink.bench.fuzz.mutations.mutation import Mutation, short
from latentlink.bench.fuzz.mutations.safetensors_file import mutate_safetensors

KEYS: dict[str, tuple[Any, ...]] = {
    "_attn_implementation": ("flash_attention_2", "kernels-community/flash-attn", 7),
    "attn_implementation": ("flash_attention_3",),
    "_experts_implementation": ("x",),
    "quantization_config": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, {"quant_method": "gguf"}, 1),
    "dtype": ("float8_e4m3fn", "no_such_dtype", 7, {"": "float16"}),
    "torch_dtype": ("os.system", ["float16"]),
    "auto_map": ({"AutoModel": "code.Model"}, "x"),
    "_class_name": ("os.system", "UNet2DModel", "AutoencoderKLWan", ["UNet2DConditionModel"], 7),
    "architectures": (["os.system"], [], "CLIPTextModel", None),
    "model_type": ("llama", "no_such_type", 7),
    "transformers_version": ("99.0.0", 7),
    "_diffusers_version": ("99.0.0", "x", 7, None),
    "num_hidden_layers": (10**9, 0, -1, "2", 2.5, True),
    "hidden_size": (10**9, 0, -64, 63, "64"),
    "intermediate_size": (10**12, 0),
    "num_attention_heads": (0, 7, 10**6),
    "vocab_size": (10**12, 1, 0),
    "max_position_embeddings": (10**12, 0, 1),
    "in_channels": (0, 5, 64, 10**9, -4, "4"),
    "out_channels": (0, 8, 10**9),
    "sample_size": ([64, 64], 10**9, 0, "64", -1, None),
    "latent_channels": (0, 10**9, 3),
    "block_out_channels": ([], [0], [10**9] * 4, [33, 65], "32", [32] * 1000),
    "layers_per_block": (0, 10**9, -1, [1, 2, 3]),
    "cross_attention_dim": (0, 10**9, [64, 64], "64"),
    "attention_head_dim": (0, 10**9, [], 7),
    "norm_num_groups": (0, 7, 10**9, None),
    "scaling_factor": (0, -1.0, float("nan"), 1e308, "0.18215", None),
    "act_fn": ("os.system", "", 7, "gelu"),
    "down_block_types": ([], ["NoSuchBlock"], "DownBlock2D", [7]),
    "num_train_timesteps": (10**12, 0, -1, "1000", 2.5),
    "trained_betas": ([], [float("nan")] * 1000, [2.0], "x", [0.1] * 10**5),
    "beta_end": (float("nan"), 1e308, 0, "0.1", -1),
    "prediction_type": ("v_prediction", "x", 7),
    "num_layers": (10**9, 0, -1),
    "joint_attention_dim": (10**12, 0),
    "pooled_projection_dim": (10**12, 0),
    "patch_size": (0, 10**9, -2),
}
"""Keys that a library acts on or sizes a network by, with values to try."""


def mutate_configs(rng: Random, case: Path) -> Mutation:
    """Change one JSON file of a diffusers directory, or what stands at its place."""
    files = sorted(case.rglob("*.json"))
    networks = [path for path in files if path.name == "config.json"]  # which decide more than the others
    path = rng.choice(networks if rng.random() < 0.6 else files)
    name = str(path.relative_to(case))
    how = rng.choice(["json", "json", "json", "key", "key", "key", "place"])
    if how == "json":
        text, mutation = mutate_json(rng, path.read_bytes())
        path.write_bytes(text)
        return Mutation(what=f"{name}, {mutation.what}", detail=mutation.detail)
    if how == "key":
        record = json.loads(path.read_bytes())
        if isinstance(record, dict):
            known = [key for key in KEYS if key in record]
            key = rng.choice(known if known and rng.random() < 0.8 else [*KEYS])
            record[key] = rng.choice(KEYS[key])
            path.write_text(json.dumps(record))
            return Mutation(what=f"{name}, {key}", detail=short(record[key]))
    path.unlink()
    place = rng.choice(["missing", "a folder", "/dev/zero", "a loop", "/etc/passwd", "a FIFO"])
    if place == "a folder":
        path.mkdir()
    elif place == "a loop":
        path.symlink_to(path.name)
    elif place == "a FIFO":
        os.mkfifo(path)
    elif place.startswith("/"):
        path.symlink_to(place)
    return Mutation(what=f"{name}: {place}")


def mutate_single_file(rng: Random, case: Path) -> Mutation:
    """Change the one safetensors file of a case."""
    return mutate_safetensors(rng, next(case.glob("*.safetensors")))
