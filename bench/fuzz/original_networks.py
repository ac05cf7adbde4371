"""Networks of diffusers and transformers in the names and layouts that their models were first published in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Tensor]


Rules = Iterable[tuple[str, str]]


RESNET = (
    (r"\.norm1\.", ".in_layers.0."),
    (r"\.conv1\.", ".in_layers.2."),
    (r"\.norm2\.", ".out_layers.0."),
    (r"\.conv2\.", ".out_layers.3."),
    (r"\.time_emb_proj\.", ".emb_layers.1."),
    (r"\.conv_shortcut\.", ".skip_connection."),
)


OUTER = (
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^add_embedding\.linear_1\.", "label_emb.0.0."),
    (r"^add_embedding\.linear_2\.", "label_emb.0.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
)


def unet(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A UNet2DConditionModel in CompVis' layout."""
    a_level = config["layers_per_block"] + 1
    rules: list[tuple[str, str]] = [*OUTER]
    for level in range(len(config["down_block_types"])):
        first = level * a_level + 1
        for layer in range(a_level):
            rules.append((rf"^down_blocks\.{level}\.resnets\.{layer}\.", f"input_blocks.{first + layer}.0."))
            rules.append((rf"^down_blocks\.{level}\.attentions\.{layer}\.", f"input_blocks.{first + layer}.1."))
        rules.append((rf"^down_blocks\.{level}\.downsamplers\.0\.conv\.", f"input_blocks.{first + a_level - 1}.0.op."))
    for level, kind in enumerate(config["up_block_types"]):
        first = level * a_level
        for layer in range(a_level):
            rules.append((rf"^up_blocks\.{level}\.resnets\.{layer}\.", f"output_blocks.{first + layer}.0."))
            rules.append((rf"^up_blocks\.{level}\.attentions\.{layer}\.", f"output_blocks.{first + layer}.1."))
        place = 2 if kind.startswith("CrossAttn") else 1
        last = first + a_level - 1
        rules.append((rf"^up_blocks\.{level}\.upsamplers\.0\.conv\.", f"output_blocks.{last}.{place}.conv."))
    rules += [(r"^mid_block\.resnets\.0\.", "middle_block.0."), (r"^mid_block\.attentions\.0\.", "middle_block.1.")]
    rules += [(r"^mid_block\.resnets\.1\.", "middle_block.2.")]
    renamed = _renamed(state, rules)
    # only a resnet's layers are named so; a transformer block has norm1 and norm2 too
    return {name if ".transformer_blocks." in name else _rename(name, RESNET): t for name, t in renamed.items()}


def vae(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """An AutoencoderKL in CompVis' layout, attention as convolutions of one pixel."""
    levels = len(config["block_out_channels"])
    rules: list[tuple[str, str]] = [
        (rf"\.up_blocks\.{level}\.", f".up.{levels - 1 - level}.") for level in range(levels)
    ]
    rules += [
        (r"\.down_blocks\.", ".down."),
        (r"\.(down|up)samplers\.0\.", r".\1sample."),
        (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
        (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
        (r"\.resnets\.", ".block."),
        (r"\.conv_shortcut\.", ".nin_shortcut."),
        (r"\.conv_norm_out\.", ".norm_out."),
        (r"\.mid_block\.attentions\.0\.group_norm\.", ".mid.attn_1.norm."),
        (r"\.mid_block\.attentions\.0\.to_([qkv])\.", r".mid.attn_1.\1."),
        (r"\.mid_block\.attentions\.0\.to_out\.0\.", ".mid.attn_1.proj_out."),
    ]
    return {
        name: tensor[:, :, None, None] if ".attn_1." in name and tensor.ndim == 2 else tensor
        for name, tensor in _renamed(state, rules).items()
    }


def clip(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A CLIP text encoder in the names of the transformers of its time."""
    bare = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    return {name if name == "text_projection.weight" else f"text_model.{name}": t for name, t in bare.items()}


def open_clip(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A CLIP text encoder in OpenCLIP's layout: query, key and value in one, the projection transposed."""
    rules = (
        (r"^(text_model\.)?embeddings\.token_embedding\.weight", "token_embedding.weight"),
        (r"^(text_model\.)?embeddings\.position_embedding\.weight", "positional_embedding"),
        (r"^(text_model\.)?final_layer_norm\.", "ln_final."),
        (r"^(text_model\.)?encoder\.layers\.", "transformer.resblocks."),
        (r"\.layer_norm([12])\.", r".ln_\1."),
        (r"\.mlp\.fc1\.", ".mlp.c_fc."),
        (r"\.mlp\.fc2\.", ".mlp.c_proj."),
        (r"\.self_attn\.", ".attn."),
    )
    out = _renamed(state, rules)
    for layer in range(config["num_hidden_layers"]):
        attention = f"transformer.resblocks.{layer}.attn."
        # OpenCLIP's fused layer is a parameter of its module, so its names end differently
        for kind in ("weight", "bias"):
            out[f"{attention}in_proj_{kind}"] = torch.cat([out.pop(f"{attention}{p}_proj.{kind}") for p in "qkv"])
    if "text_projection.weight" in out:
        out["text_projection"] = out.pop("text_projection.weight").T.contiguous()
    return out


def t5(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A T5 encoder, its embedding once."""
    return {name: tensor for name, tensor in state.items() if name != "encoder.embed_tokens.weight"}


MMDIT = (
    (r"^pos_embed\.pos_embed", "pos_embed"),
    (r"^pos_embed\.proj\.", "x_embedder.proj."),
    (r"^time_text_embed\.timestep_embedder\.linear_1\.", "t_embedder.mlp.0."),
    (r"^time_text_embed\.timestep_embedder\.linear_2\.", "t_embedder.mlp.2."),
    (r"^time_text_embed\.text_embedder\.linear_1\.", "y_embedder.mlp.0."),
    (r"^time_text_embed\.text_embedder\.linear_2\.", "y_embedder.mlp.2."),
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^proj_out\.", "final_layer.linear."),
    (r"^transformer_blocks\.", "joint_blocks."),
    (r"\.(attn2?)\.norm_([qk])\.", r".x_block.\1.ln_\2."),
    (r"\.attn\.norm_added_([qk])\.", r".context_block.attn.ln_\1."),
    (r"\.(attn2?)\.to_out\.0\.", r".x_block.\1.proj."),
    (r"\.attn\.to_add_out\.", ".context_block.attn.proj."),
    (r"\.norm1\.linear\.", ".x_block.adaLN_modulation.1."),
    (r"\.norm1_context\.linear\.", ".context_block.adaLN_modulation.1."),
    (r"\.ff\.net\.0\.proj\.", ".x_block.mlp.fc1."),
    (r"\.ff\.net\.2\.", ".x_block.mlp.fc2."),
    (r"\.ff_context\.net\.0\.proj\.", ".context_block.mlp.fc1."),
    (r"\.ff_context\.net\.2\.", ".context_block.mlp.fc2."),
)


def mmdit(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """An SD3Transformer2DModel in Stability's layout."""
    groups = {}
    for layer in range(config["num_layers"]):
        old, new = f"transformer_blocks.{layer}", f"joint_blocks.{layer}"
        groups[f"{new}.x_block.attn.qkv"] = [f"{old}.attn.to_{p}" for p in "qkv"]
        groups[f"{new}.x_block.attn2.qkv"] = [f"{old}.attn2.to_{p}" for p in "qkv"]
        groups[f"{new}.context_block.attn.qkv"] = [f"{old}.attn.add_{p}_proj" for p in "qkv"]
    out = _renamed(_fused(state, groups), MMDIT)
    last = config["num_layers"] - 1
    for name in ("final_layer", f"joint_blocks.{last}.context_block"):
        for kind in ("weight", "bias"):
            key = f"{name}.adaLN_modulation.1.{kind}"
            out[key] = _halves_exchanged(out[key])
    return out


FLUX = (
    (r"^time_text_embed\.timestep_embedder\.", "time_in."),
    (r"^time_text_embed\.text_embedder\.", "vector_in."),
    (r"^time_text_embed\.guidance_embedder\.", "guidance_in."),
    (r"_in\.linear_1\.", "_in.in_layer."),
    (r"_in\.linear_2\.", "_in.out_layer."),
    (r"^context_embedder\.", "txt_in."),
    (r"^x_embedder\.", "img_in."),
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^proj_out\.", "final_layer.linear."),
    (r"^single_transformer_blocks\.(\d+)\.norm\.linear\.", r"single_blocks.\1.modulation.lin."),
    (r"^single_transformer_blocks\.(\d+)\.proj_out\.", r"single_blocks.\1.linear2."),
    (r"^single_transformer_blocks\.(\d+)\.attn\.norm_q\.weight", r"single_blocks.\1.norm.query_norm.scale"),
    (r"^single_transformer_blocks\.(\d+)\.attn\.norm_k\.weight", r"single_blocks.\1.norm.key_norm.scale"),
    (r"^transformer_blocks\.", "double_blocks."),
    (r"\.norm1\.linear\.", ".img_mod.lin."),
    (r"\.norm1_context\.linear\.", ".txt_mod.lin."),
    (r"\.attn\.norm_q\.weight", ".img_attn.norm.query_norm.scale"),
    (r"\.attn\.norm_k\.weight", ".img_attn.norm.key_norm.scale"),
    (r"\.attn\.norm_added_q\.weight", ".txt_attn.norm.query_norm.scale"),
    (r"\.attn\.norm_added_k\.weight", ".txt_attn.norm.key_norm.scale"),
    (r"\.attn\.to_out\.0\.", ".img_attn.proj."),
    (r"\.attn\.to_add_out\.", ".txt_attn.proj."),
    (r"\.ff\.net\.0\.proj\.", ".img_mlp.0."),
    (r"\.ff\.net\.2\.", ".img_mlp.2."),
    (r"\.ff_context\.net\.0\.proj\.", ".txt_mlp.0."),
    (r"\.ff_context\.net\.2\.", ".txt_mlp.2."),
)


def flux(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A FluxTransformer2DModel in Black Forest Labs' layout."""
    groups = {}
    for layer in range(config["num_layers"]):
        old, new = f"transformer_blocks.{layer}.attn", f"double_blocks.{layer}"
        groups[f"{new}.img_attn.qkv"] = [f"{old}.to_{p}" for p in "qkv"]
        groups[f"{new}.txt_attn.qkv"] = [f"{old}.add_{p}_proj" for p in "qkv"]
    for layer in range(config["num_single_layers"]):
        old = f"single_transformer_blocks.{layer}"
        groups[f"single_blocks.{layer}.linear1"] = [*(f"{old}.attn.to_{p}" for p in "qkv"), f"{old}.proj_mlp"]
    out = _renamed(_fused(state, groups), FLUX)
    for kind in ("weight", "bias"):
        out[f"final_layer.adaLN_modulation.1.{kind}"] = _halves_exchanged(out[f"final_layer.adaLN_modulation.1.{kind}"])
    return out


def _fused(state: State, groups: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Layers of equal inputs as one layer under a new name, the rest as it is. Layers that are not there stay away."""
    out = dict(state)
    for name, layers in groups.items():
        for kind in ("weight", "bias"):
            if f"{layers[0]}.{kind}" in out:
                out[f"{name}.{kind}"] = torch.cat([out.pop(f"{layer}.{kind}") for layer in layers])
    return out


def _halves_exchanged(tensor: Tensor) -> Tensor:
    first, second = tensor.chunk(2)
    return torch.cat([second, first])


def _renamed(state: State, rules: Rules) -> dict[str, Tensor]:
    return {_rename(name, rules): tensor for name, tensor in state.items()}


def _rename(name: str, rules: Rules) -> str:
    for old, new in rules:
        name = re.sub(old, new, name)
    return name
