"""The transformer of Stable Diffusion 3 and 3.5 in Stability's layout."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.layout import Layout

# Every published model of this kind has heads of 64 channels.
HEAD_WIDTH = 64


def mmdit_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of an SD3Transformer2DModel."""
    width, channels, patch, _ = shapes.of("x_embedder.proj.weight", 4)
    positions = shapes.of("pos_embed", 3)[1]
    outputs = shapes.of("final_layer.linear.weight", 2)[0]
    layers = shapes.count("joint_blocks.")
    if width % HEAD_WIDTH or isqrt(positions) ** 2 != positions or outputs % patch**2:
        raise CheckpointError(
            f"{shapes.where} is {width} wide, with {positions} positions, and writes {outputs} numbers a patch; "
            f"expected a multiple of {HEAD_WIDTH}, a square, and a multiple of {patch**2}."
        )
    return {
        "in_channels": channels,
        "out_channels": outputs // patch**2,
        "patch_size": patch,
        "num_layers": layers,
        "num_attention_heads": width // HEAD_WIDTH,
        "attention_head_dim": HEAD_WIDTH,
        "caption_projection_dim": width,
        "joint_attention_dim": shapes.of("context_embedder.weight", 2)[1],
        "pooled_projection_dim": shapes.of("y_embedder.mlp.0.weight", 2)[1],
        "pos_embed_max_size": isqrt(positions),
        "qk_norm": "rms_norm" if "joint_blocks.0.x_block.attn.ln_q.weight" in shapes else None,
        "dual_attention_layers": [
            number for number in range(layers) if f"joint_blocks.{number}.x_block.attn2.qkv.weight" in shapes
        ],
    }


def convert_mmdit(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """The transformer's tensors in diffusers' names."""
    from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers

    left = dict(state)
    # it removes what it uses from its argument
    converted = convert_sd3_transformer_checkpoint_to_diffusers(left)
    return ConvertedState(state=converted, unused=tuple(left))


MMDIT = Layout(evidence="joint_blocks.0.x_block.attn.qkv.weight", config=mmdit_config, convert=convert_mmdit)
