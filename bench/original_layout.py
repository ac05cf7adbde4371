"""Networks of diffusers and transformers written back in the layouts their models were first published in.

    python -m latentlink.bench.original_layout CHECKPOINT OUT.safetensors

It is the inverse of what `export/single_file/` reads, for random-weight checkpoints.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentlink.export.single_file import flux as flux_names

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
    renamed = _renamed(state, rules)
    out = {name: tensor for name, tensor in renamed.items() if not re.search(r"\.attn\.[qkv]_proj\.", name)}
    for layer in range(config["num_hidden_layers"]):
        attention = f"transformer.resblocks.{layer}.attn."
        for kind in ("weight", "bias"):
            out[f"{attention}in_proj_{kind}"] = torch.cat([renamed[f"{attention}{p}_proj.{kind}"] for p in "qkv"])
    if "text_projection.weight" in out:
        out["text_projection"] = out.pop("text_projection.weight").T.contiguous()
    return out


def t5(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A T5 encoder, its embedding once."""
    return {name: tensor for name, tensor in state.items() if name != "encoder.embed_tokens.weight"}


STREAMS = (("x_block", "", "to_out.0", "ff."), ("context_block", "_context", "to_add_out", "ff_context."))


def mmdit(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """An SD3Transformer2DModel in Stability's layout."""
    rules: list[tuple[str, str]] = [
        (r"^pos_embed\.pos_embed", "pos_embed"),
        (r"^pos_embed\.proj\.", "x_embedder.proj."),
        (r"^time_text_embed\.timestep_embedder\.linear_1\.", "t_embedder.mlp.0."),
        (r"^time_text_embed\.timestep_embedder\.linear_2\.", "t_embedder.mlp.2."),
        (r"^time_text_embed\.text_embedder\.linear_1\.", "y_embedder.mlp.0."),
        (r"^time_text_embed\.text_embedder\.linear_2\.", "y_embedder.mlp.2."),
        (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
        (r"^proj_out\.", "final_layer.linear."),
        (r"\.attn2\.norm_([qk])\.", r".x_block.attn2.ln_\1."),
        (r"\.attn2\.to_out\.0\.", ".x_block.attn2.proj."),
        (r"\.attn\.norm_([qk])\.", r".x_block.attn.ln_\1."),
        (r"\.attn\.norm_added_([qk])\.", r".context_block.attn.ln_\1."),
        *(
            (rf"\.attn\.{proj}\.".replace("to_out.0", r"to_out\.0"), f".{side}.attn.proj.")
            for side, _, proj, _ in STREAMS
        ),
        *((rf"\.norm1{mark}\.linear\.", f".{side}.adaLN_modulation.1.") for side, mark, _, _ in STREAMS),
        *((rf"\.{ff}net\.0\.proj\.".replace("ff.", r"ff\."), f".{side}.mlp.fc1.") for side, _, _, ff in STREAMS),
        *((rf"\.{ff}net\.2\.".replace("ff.", r"ff\."), f".{side}.mlp.fc2.") for side, _, _, ff in STREAMS),
        (r"^transformer_blocks\.", "joint_blocks."),
    ]
    fused = {
        "x_block.attn": ("attn.to_q", "attn.to_k", "attn.to_v"),
        "context_block.attn": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        "x_block.attn2": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    }
    apart = {name for names in fused.values() for name in names}
    out = _renamed({n: t for n, t in state.items() if n.split(".", 2)[-1].rpartition(".")[0] not in apart}, rules)
    for layer in range(config["num_layers"]):
        for block, names in fused.items():
            for kind in ("weight", "bias"):
                pieces = [state.get(f"transformer_blocks.{layer}.{name}.{kind}") for name in names]
                if pieces[0] is not None:
                    out[f"joint_blocks.{layer}.{block}.qkv.{kind}"] = torch.cat([p for p in pieces if p is not None])
    last = config["num_layers"] - 1
    for name in ("final_layer", f"joint_blocks.{last}.context_block"):
        for kind in ("weight", "bias"):
            key = f"{name}.adaLN_modulation.1.{kind}"
            out[key] = _halves_exchanged(out[key])
    return out


def flux(state: State, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """A FluxTransformer2DModel in Black Forest Labs' layout."""
    tables = [("", "", flux_names.NAMES)]
    for original, (block, names) in flux_names.BLOCKS.items():
        count = config["num_layers" if original == "double_blocks" else "num_single_layers"]
        tables += [(f"{original}.{number}.", f"{block}.{number}.", names) for number in range(count)]
    out = {}
    for original, block, names in tables:
        for old, new in names.items():
            for kind in ("weight", "bias"):
                pieces = [state[key] for target in new.split() if (key := f"{block}{target}.{kind}") in state]
                if pieces:
                    value = _halves_exchanged(pieces[0]) if new == "norm_out.linear" else torch.cat(pieces)
                    out[f"{original}{old}.{'scale' if 'norm.' in old else kind}"] = value
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

    from latentlink.export.directory import read_json

    denoiser = checkpoint / ("unet" if (checkpoint / "unet").is_dir() else "transformer")
    config = read_json(denoiser / "config.json")
    layouts = {**EVERYWHERE, **LAYOUTS[config["_class_name"], config.get("cross_attention_dim")]}
    out: dict[str, Tensor] = {}
    for part, (prefix, write) in layouts.items():
        for weights in (checkpoint / part).glob("*.safetensors"):
            original = write(load_file(weights), read_json(checkpoint / part / "config.json"))
            out |= {prefix + name: tensor.clone() for name, tensor in original.items()}
    return out


if __name__ == "__main__":
    from safetensors.torch import save_file

    if len(sys.argv) != 3:
        sys.exit("usage: python -m latentlink.bench.original_layout CHECKPOINT OUT.safetensors")
    save_file(original_state(Path(sys.argv[1])), sys.argv[2])
