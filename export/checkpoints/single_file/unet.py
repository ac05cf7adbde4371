"""UNets in the layout of CompVis' latent-diffusion and Stability's generative-models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.layout import Layout, unused_names

LDM_PREFIX = "model.diffusion_model."

# Shapes do not show heads. UNets with convolutional projections were trained with 8 heads a block, those with linear
# projections with heads of 64 channels (the published training configs of Stable Diffusion 1, 2 and XL).
HEADS, HEAD_WIDTH = 8, 64

# Width of the sinusoidal embedding of a size id, in every published UNet that reads size ids.
SIZE_EMBEDDING = 256


def ldm_unet_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of a UNet2DConditionModel."""
    levels = _levels(shapes)
    widths = [width for width, _, _ in levels]
    layers = {count for _, count, _ in levels}
    if len(layers) != 1:
        raise CheckpointError(
            f"{shapes.where} has {sorted(layers)} layers a level; expected the same number in all levels.",
            remedy="Give a diffusers directory: its config says how such a network is built.",
        )
    mid = shapes.count("middle_block.1.transformer_blocks.")
    last_with_attention = next((index for index, (_, _, depth) in reversed([*enumerate(levels)]) if depth), None)
    if mid == 0 or last_with_attention is None:
        raise CheckpointError(
            f"{shapes.where} has no attention to text; expected some in its middle and in its levels."
        )
    # a level without attention has no depth; diffusers uses the last level's depth for the middle block
    depths = [depth or 1 for _, _, depth in levels]
    depths[-1] = levels[-1][2] or mid
    prefix = f"input_blocks.{1 + last_with_attention * (levels[0][1] + 1)}.1."
    linear = len(shapes.table.get(f"{prefix}proj_in.weight", ())) == 2
    context = shapes.of(f"{prefix}transformer_blocks.0.attn2.to_k.weight", 2)[1]
    config: dict[str, Any] = {
        "in_channels": shapes.of("input_blocks.0.0.weight", 4)[1],
        "out_channels": shapes.of("out.2.weight", 4)[0],
        "block_out_channels": widths,
        "layers_per_block": layers.pop(),
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for _, _, depth in levels],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for _, _, depth in reversed(levels)],
        "transformer_layers_per_block": depths[0] if len({*depths}) == 1 else depths,
        "cross_attention_dim": context,
        "use_linear_projection": linear,
        "attention_head_dim": [width // HEAD_WIDTH for width in widths] if linear else HEADS,
    }
    if "label_emb.0.0.weight" in shapes:
        config["addition_embed_type"] = "text_time"
        config["addition_time_embed_dim"] = SIZE_EMBEDDING
        config["projection_class_embeddings_input_dim"] = shapes.of("label_emb.0.0.weight", 2)[1]
    return config


def _levels(shapes: PartShapes) -> list[tuple[int, int, int]]:
    """(width, layers, transformer depth or 0) of each level of the downward path."""
    levels: list[list[tuple[int, int]]] = [[]]
    for number in range(1, shapes.count("input_blocks.")):
        block = f"input_blocks.{number}"
        if f"{block}.0.op.weight" in shapes:
            levels.append([])
        else:
            width = shapes.of(f"{block}.0.out_layers.3.weight", 4)[0]
            levels[-1].append((width, shapes.count(f"{block}.1.transformer_blocks.")))
    for level in levels:
        if len({*level}) != 1:
            raise CheckpointError(
                f"{shapes.where} has a level of layers (width, depth) {level}; expected equal ones.",
                remedy="Give a diffusers directory: its config says how such a network is built.",
            )
    return [(level[0][0], len(level), level[0][1]) for level in levels]


def convert_ldm_unet(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """A UNet's tensors in diffusers' names."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    converted = convert_ldm_unet_checkpoint({LDM_PREFIX + name: tensor for name, tensor in state.items()}, config)
    return ConvertedState(state=converted, unused=unused_names(state, converted))


UNET = Layout(evidence="input_blocks.0.0.weight", config=ldm_unet_config, convert=convert_ldm_unet)
