"""The transformer of FLUX.1 in Black Forest Labs' layout.

diffusers' own conversion (`convert_flux_transformer_checkpoint_to_diffusers`) always splits the fused layers at the
published width, 3072; this one takes the widths from the shapes, and gives the same result at the published width.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.layout import Layout

# Channels of a head for the image's index, row and column. Shapes show only their sum.
ROTARY = (16, 56, 56)

MLP_RATIO = 4

NAMES = {
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "txt_in": "context_embedder",
    "img_in": "x_embedder",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
DOUBLE = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.qkv": "attn.to_q attn.to_k attn.to_v",
    "txt_attn.qkv": "attn.add_q_proj attn.add_k_proj attn.add_v_proj",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
}
SINGLE = {
    "modulation.lin": "norm.linear",
    "linear1": "attn.to_q attn.to_k attn.to_v proj_mlp",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
    "linear2": "proj_out",
}
BLOCKS = {"double_blocks": ("transformer_blocks", DOUBLE), "single_blocks": ("single_transformer_blocks", SINGLE)}
BLOCK = re.compile(r"(double_blocks|single_blocks)\.(\d+)\.(.+)")


def flux_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of a FluxTransformer2DModel."""
    width, channels = shapes.of("img_in.weight", 2)
    head = shapes.of("double_blocks.0.img_attn.norm.query_norm.scale", 1)[0]
    if head != sum(ROTARY) or width % head:
        raise CheckpointError(
            f"{shapes.where} is {width} wide with heads of {head} channels; expected heads of {sum(ROTARY)}, whose "
            "rotary axes are known, and a multiple of them.",
            remedy="Give a diffusers directory: its config states the rotary axes.",
        )
    return {
        "in_channels": channels,
        "out_channels": shapes.of("final_layer.linear.weight", 2)[0],
        "patch_size": 1,
        "num_layers": shapes.count("double_blocks."),
        "num_single_layers": shapes.count("single_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes.of("txt_in.weight", 2)[1],
        "pooled_projection_dim": shapes.of("vector_in.in_layer.weight", 2)[1],
        "guidance_embeds": "guidance_in.in_layer.weight" in shapes,
        "axes_dims_rope": list(ROTARY),
    }


def convert_flux(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """The transformer's tensors in diffusers' names: fused layers split, shift and scale of the last norm swapped."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    converted: State = {}
    unused = []
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        prefix, known = "", NAMES
        if match := BLOCK.fullmatch(layer):
            to, known = BLOCKS[match.group(1)]
            prefix, layer = f"{to}.{match.group(2)}.", match.group(3)
        if layer not in known:
            unused.append(name)
            continue
        targets = known[layer].split()
        kind = "weight" if kind == "scale" else kind
        for target, piece in zip(targets, _pieces(tensor, len(targets), width, name), strict=True):
            converted[f"{prefix}{target}.{kind}"] = _scale_first(piece) if target == "norm_out.linear" else piece
    return ConvertedState(state=converted, unused=tuple(unused))


def _pieces(tensor: Tensor, count: int, width: int, name: str) -> tuple[Tensor, ...]:
    """A fused layer's parts along dimension 0: query, key and value, and with 4 also the inner feed-forward layer."""
    if count == 1:
        return (tensor,)
    sizes = [width, width, width, MLP_RATIO * width][:count]
    if tensor.shape[0] != sum(sizes):
        raise CheckpointError(
            f"The transformer's {name!r} has {tensor.shape[0]} rows; expected {sum(sizes)}, {count} layers in one.",
            remedy="Get the file again.",
        )
    return torch.split(tensor, sizes)


def _scale_first(tensor: Tensor) -> Tensor:
    shift, scale = tensor.chunk(2)
    return torch.cat([scale, shift])


FLUX = Layout(evidence="double_blocks.0.img_attn.norm.query_norm.scale", config=flux_config, convert=convert_flux)
