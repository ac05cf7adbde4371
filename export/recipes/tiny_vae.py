"""A tiny VAE that was distilled from another VAE and replaces it (TAESD, Boer Bohan, 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.configs import NETWORKS, check_config
from latentlink.export.graphs import Component
from latentlink.export.parts import Affine, distilled_space, halves_as_components
from latentlink.export.recipes.recipe import Recipe
from latentlink.export.recipes.vae import NAMES, SIDE, sampling_of_sizes

CLASSES = {"vae": "AutoencoderTiny"}

# diffusers' defaults for values that a config leaves out.
WIDTHS, ENCODER_BLOCKS, DECODER_BLOCKS = [64] * 4, [1, 3, 3, 3], [3, 3, 3, 1]

STEP = "upsampling_scaling_factor"

NO_VARIANCE = -30.0
"""Log-variance of a single latent instead of a posterior: noise of deviation 1 becomes 3e-7."""


class TinyDecode(nn.Module):
    """The decoder of an `AutoencoderTiny`: its latent `[B, C, h, w]` to picture `[B, 3, H, W]` in -1..1."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.decoder = vae.decoder

    def forward(self, raw: Tensor) -> Tensor:
        picture: Tensor = self.decoder(raw)
        return picture


class TinyMoments(nn.Module):
    """The encoder of an `AutoencoderTiny`: picture `[B, 3, H, W]` in -1..1 to its latent and `NO_VARIANCE`."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.encoder = vae.encoder

    def forward(self, picture: Tensor) -> Tensor:
        latent = self.encoder(picture)
        return torch.cat([latent, torch.full_like(latent, NO_VARIANCE)], dim=1)


def tiny_vae_layout(config: Mapping[str, Any]) -> tuple[int, int]:
    """Channels of a tiny VAE's latent, and pixels per latent element along one side.

    Args:
        config: Config of the VAE as stated in the checkpoint.

    Raises:
        CheckpointError: The config does not state valid numbers, or those of its halves differ.
    """
    encoder = _levels(config, "encoder_block_out_channels", "num_encoder_blocks", ENCODER_BLOCKS)
    decoder = _levels(config, "decoder_block_out_channels", "num_decoder_blocks", DECODER_BLOCKS)
    channels, step = (_size(config, key, value) for key, value in (("latent_channels", 4), (STEP, 2)))
    if 2 ** (encoder - 1) != step ** (decoder - 1):
        raise _malformed(
            f"an encoder of {encoder} levels, /{2 ** (encoder - 1)}, and a decoder of {decoder} levels with {STEP} "
            f"{step}, x{step ** (decoder - 1)}",
            "the same size in both",
        )
    return channels, 2 ** (encoder - 1)


def _levels(config: Mapping[str, Any], widths: str, blocks: str, default: list[int]) -> int:
    """Number of levels of one half; each has a width and a number of blocks."""
    wide, deep = config.get(widths, WIDTHS), config.get(blocks, default)
    lists = isinstance(wide, list) and isinstance(deep, list) and len(wide) == len(deep) > 0
    if not lists or not all(type(n) is int and n >= 0 for n in (*wide, *deep)) or 0 in wide:
        raise _malformed(f"{widths} {wide!r} and {blocks} {deep!r}", "two lists of whole numbers, of the same length")
    return len(wide)


def _size(config: Mapping[str, Any], key: str, default: int) -> int:
    value = config.get(key, default)
    if type(value) is not int or value < 1:
        raise _malformed(f"{key} {value!r}", "a whole number above 0")
    return value


def own_affine(config: Mapping[str, Any]) -> tuple[float, float]:
    """Scaling and shift of the tiny VAE's raw latent, 1 and 0 in all published ones.

    Raises:
        CheckpointError: The values are not numbers, or the scaling is not positive and finite.
    """
    scaling, shift = config.get("scaling_factor", 1.0), config.get("shift_factor")
    shift = 0.0 if shift is None else shift
    if type(scaling) not in (int, float) or type(shift) not in (int, float) or not (0 < scaling < math.inf):
        raise _malformed(f"scaling_factor {scaling!r} and shift_factor {shift!r}", "a number above 0 and a number")
    return float(scaling), float(shift)


def _malformed(received: str, expected: str) -> CheckpointError:
    return CheckpointError(f"The VAE's config has {received}; expected {expected}.", remedy="Get the checkpoint again.")


def matches(checkpoint: Checkpoint) -> bool:
    """Whether there is a tiny VAE and nothing else."""
    return dict(checkpoint.classes) == CLASSES


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`; a VAE has only sizes."""
    return sampling_of_sizes((SIDE, SIDE), tiny_vae_layout(checkpoint.config("vae"))[1])


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """Decoder and encoder. Their ports carry the latent space of the VAE that this one was distilled from."""
    from diffusers import AutoencoderTiny

    config = checkpoint.config("vae")
    check_config(
        checkpoint.settings("vae"),
        NETWORKS["AutoencoderTiny"],
        what="VAE",
        remedy="No recipe has ports for such pictures.",
    )
    channels, downscale = tiny_vae_layout(config)
    scaling, shift = own_affine(config)
    space = distilled_space(channels=channels, downscale=downscale, option=options.space)
    vae = checkpoint.network("vae", AutoencoderTiny)
    # The affine of the space belongs to the VAE it was distilled from, whose raw latent this one never reads.
    affine = Affine(replace(space, scaling=scaling, shift=shift, mean=None, std=None))
    yield from halves_as_components(TinyDecode(vae), TinyMoments(vae), affine, space=space, options=options)


RECIPE = Recipe(
    title="AutoencoderTiny",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
)
