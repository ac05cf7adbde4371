"""VAEs in the layout of CompVis' latent-diffusion, and diffusers' own where a VAE is a file by itself.

The affine (scaling, shift, mean, std) is in no tensor of these files, so the configs made here do not state it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.layout import Layout, unused_names

# Prefixes of the VAE's networks, and what its training leaves beside them: the loss, and a moving average whose names
# have no dots.
NETWORKS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
OF_TRAINING = re.compile(
    r"(loss\.|model_ema\.(decay|num_updates|encoder|decoder|quant_conv|post_quant_conv)|epoch$|global_step$)"
)

# Attention names in diffusers before 0.18; published files still use them.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def ldm_vae_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of an AutoencoderKL in the original layout."""
    return _config(shapes, "encoder.down.", "block", "mid.attn_1.")


def diffusers_vae_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of an AutoencoderKL in diffusers' layout."""
    return _config(shapes, "encoder.down_blocks.", "resnets", "mid_block.attentions.0.")


def _config(shapes: PartShapes, down: str, resnets: str, attention: str) -> dict[str, Any]:
    if any(name.startswith("bn.") for name in shapes.table):
        raise CheckpointError(
            f"{shapes.where} stores mean and variance of its latents as a batch norm, as FLUX.2's VAE does; expected a "
            "VAE whose affine is a scaling and a shift.",
        )
    levels = shapes.count(down)
    latent = shapes.of("decoder.conv_in.weight", 4)[1]
    moments = shapes.of("encoder.conv_out.weight", 4)[0]
    if moments != 2 * latent:
        raise CheckpointError(
            f"{shapes.where} encodes to {moments} channels and decodes from {latent}; expected mean and log-variance, "
            "twice as many channels to encode to.",
            remedy="Only VAEs with a Gaussian posterior are read (AutoencoderKL).",
        )
    return {
        "in_channels": shapes.of("encoder.conv_in.weight", 4)[1],
        "out_channels": shapes.of("decoder.conv_out.weight", 4)[0],
        "latent_channels": latent,
        "block_out_channels": [shapes.of(f"{down}{i}.{resnets}.0.conv1.weight", 4)[0] for i in range(levels)],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": shapes.count(f"{down}0.{resnets}."),
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "mid_block_add_attention": any(name.startswith(f"encoder.{attention}") for name in shapes.table),
    }


def belongs_to_a_vae(name: str) -> bool:
    """Whether a tensor, by its name in the file of a VAE alone, is of one of its networks or left by its training."""
    return name.startswith(NETWORKS) or OF_TRAINING.match(name) is not None


def _networks(state: State) -> tuple[State, tuple[str, ...]]:
    """The tensors of the VAE's networks, and the names of those that are of nothing known."""
    kept = {name: tensor for name, tensor in state.items() if name.startswith(NETWORKS)}
    return kept, tuple(name for name in state if not belongs_to_a_vae(name))


def convert_ldm_vae(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """A VAE's tensors, converted from the original names to diffusers'."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    kept, unknown = _networks(state)
    converted = convert_ldm_vae_checkpoint(kept, config)
    return ConvertedState(state=converted, unused=(*unknown, *unused_names(kept, converted)))


def convert_diffusers_vae(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """A VAE's tensors in diffusers' names, with old names renamed."""
    kept, unknown = _networks(state)
    converted = {}
    for name, tensor in kept.items():
        head, dot, tail = name.rpartition(".")
        block, _, last = head.rpartition(".")
        renamed = last in OLD_ATTENTION and ".attentions." in name
        converted[f"{block}.{OLD_ATTENTION[last]}{dot}{tail}" if renamed else name] = tensor
    return ConvertedState(state=converted, unused=unknown)


LDM_VAE = Layout(evidence="encoder.down.0.block.0.conv1.weight", config=ldm_vae_config, convert=convert_ldm_vae)
DIFFUSERS_VAE = Layout(
    evidence="encoder.down_blocks.0.resnets.0.conv1.weight",
    config=diffusers_vae_config,
    convert=convert_diffusers_vae,
)
