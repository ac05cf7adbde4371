"""CLIP text encoders: in transformers' names under a prefix, and in OpenCLIP's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.layout import Layout

# Every published CLIP text encoder has heads of 64 channels.
HEAD_WIDTH = 64

# As in the published configs. The end token has the highest id, by which CLIP finds it; transformers does the same if
# its config states this id.
START_ID, HIGHEST_ID = 0, 2

# OpenAI's CLIP-L was trained with the quick approximation of GELU, OpenCLIP's H and bigG with GELU itself.
CLIP_L_WIDTH = 768

# OpenCLIP-H has 24 layers, of which Stable Diffusion 2 runs 23: the last one is in the file, but unused.
OPEN_CLIP_H_LAYERS = 23
OPEN_CLIP_H_WIDTH = 1024

# Tensors in the files that are no weights of the text encoder: counts, and the image encoder of a whole CLIP.
BOOKKEEPING = ("position_ids", "logit_scale", "attn_mask")
IMAGE_ENCODER = ("vision_model.", "visual_projection.", "visual.")


def _config(shapes: PartShapes, *, tokens: str, positions: str, inner: str, layers: int, act: str) -> dict[str, Any]:
    vocabulary, width = shapes.of(tokens, 2)
    if width % HEAD_WIDTH:
        raise CheckpointError(f"{shapes.where} is {width} wide; expected a multiple of {HEAD_WIDTH}, the heads' width.")
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes.of(inner, 2)[0],
        "num_hidden_layers": layers,
        "num_attention_heads": width // HEAD_WIDTH,
        "max_position_embeddings": shapes.of(positions, 2)[0],
        "hidden_act": act,
        "bos_token_id": START_ID,
        "eos_token_id": HIGHEST_ID,
    }


def _root(shapes: PartShapes) -> str:
    """Prefix of transformers' names: early files leave out `text_model.`."""
    return "text_model." if f"text_model.{TOKENS}" in shapes else ""


TOKENS = "embeddings.token_embedding.weight"
OPEN_TOKENS = "token_embedding.weight"
LAYER = re.compile(r"transformer\.resblocks\.([0-9]{1,4})\.")


def clip_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of a CLIP text encoder in transformers' names."""
    root = _root(shapes)
    width = shapes.of(f"{root}{TOKENS}", 2)[1]
    return _config(
        shapes,
        tokens=f"{root}{TOKENS}",
        positions=f"{root}embeddings.position_embedding.weight",
        inner=f"{root}encoder.layers.0.mlp.fc1.weight",
        layers=shapes.count(f"{root}encoder.layers."),
        act="quick_gelu" if width == CLIP_L_WIDTH else "gelu",
    )


def open_clip_config(shapes: PartShapes) -> dict[str, Any]:
    """OpenCLIP's text encoders in its own names."""
    layers = shapes.count("transformer.resblocks.")
    width = shapes.of(OPEN_TOKENS, 2)[1]
    return _config(
        shapes,
        tokens=OPEN_TOKENS,
        positions="positional_embedding",
        inner="transformer.resblocks.0.mlp.c_fc.weight",
        layers=min(layers, OPEN_CLIP_H_LAYERS) if width == OPEN_CLIP_H_WIDTH else layers,
        act="gelu",
    )


def _for_network(state: State, network: Any) -> State:
    """The state in the class's names: some releases of transformers nest a CLIP text model, others do not."""
    bare = {
        name.removeprefix("text_model."): tensor
        for name, tensor in state.items()
        if not name.endswith(BOOKKEEPING) and not name.startswith(IMAGE_ENCODER)
    }
    # CLIPTextModel has no projection; files made for the other class, or for OpenCLIP, hold one
    projection = bare.pop("text_projection.weight", None)
    nested = hasattr(network, "text_model")
    named = {f"text_model.{name}" if nested else name: tensor for name, tensor in bare.items()}
    if projection is not None and hasattr(network, "text_projection"):
        named["text_projection.weight"] = projection
    return named


def convert_clip(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """A text encoder that already has transformers' names."""
    return ConvertedState(state=_for_network(state, network))


def convert_unprojected_clip(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """CLIP-L of Stable Diffusion 3: its pooled output is used without projection, so the projection is the identity."""
    identity = torch.eye(config["hidden_size"])
    return ConvertedState(state=_for_network({**state, "text_projection.weight": identity}, network))


def convert_open_clip(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """A text encoder in OpenCLIP's names: fused query, key and value, projection transposed."""
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    width = config["hidden_size"]
    projection = state.get("text_projection")
    if projection is not None and tuple(projection.shape) != (width, width):
        # diffusers splits query, key and value at the projection's width
        raise CheckpointError(
            f"The text encoder is {width} wide and projects to {tuple(projection.shape)}; expected {width} by {width}."
        )
    layers = config["num_hidden_layers"]
    used = {name: tensor for name, tensor in state.items() if _layer(name) < layers}
    converted = convert_open_clip_checkpoint(network, used, prefix="")
    return ConvertedState(state=_for_network(converted, network), unused=_unknown(used))


def _layer(name: str) -> int:
    found = LAYER.match(name)
    return int(found[1]) if found else -1


def _unknown(state: State) -> tuple[str, ...]:
    known = {"positional_embedding", OPEN_TOKENS, "ln_final.weight", "ln_final.bias", "text_projection"}
    return tuple(
        name
        for name in state
        if not name.startswith(("transformer.", *IMAGE_ENCODER))
        and name not in known
        and not name.endswith(BOOKKEEPING)
    )


EARLY_CLIP = Layout(evidence=TOKENS, config=clip_config, convert=convert_clip)
CLIP = Layout(evidence=f"text_model.{TOKENS}", config=clip_config, convert=convert_clip)
UNPROJECTED_CLIP = Layout(evidence=f"text_model.{TOKENS}", config=clip_config, convert=convert_unprojected_clip)
EARLY_UNPROJECTED_CLIP = Layout(evidence=TOKENS, config=clip_config, convert=convert_unprojected_clip)
OPEN_CLIP = Layout(evidence=OPEN_TOKENS, config=open_clip_config, convert=convert_open_clip)
