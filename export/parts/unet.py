"""UNet denoisers with the step's interface: conditioning that a graph can compute is computed in the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint
from latentlink.export.configs import NETWORKS, check_config, shown
from latentlink.export.parts.fit import check_channels, check_width, misfit
from latentlink.export.parts.upsampling import upsample_to_skips

LARGEST = 8192
"""Largest side of a network's training: in pixels eight times as many, the most that a manifest takes."""


class TextUNet(nn.Module):
    """A UNet that reads one text embedding: `(latent, timestep, text[, w])`.

    Args:
        unet: `UNet2DConditionModel`.

    Attributes:
        halvings: How many times it halves its latent and rounds up, see `upsample_to_skips`.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet, self.halvings = unet, upsample_to_skips(unet)

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor, *embedded: Tensor) -> Tensor:
        prediction: Tensor = self.unet(
            latent,
            timestep,
            encoder_hidden_states=text,
            timestep_cond=guidance_embedding(self.unet, embedded),
            return_dict=False,
        )[0]
        return prediction


class SizedUNet(nn.Module):
    """A UNet with size conditioning (Podell et al., 2023): `(latent, timestep, *texts, pooled, *conditions[, w])`.

    Texts are concatenated along their width. A size of 0 in a condition means the size of the picture.

    Args:
        unet: `UNet2DConditionModel` with `addition_embed_type` "text_time".
        texts: Number of text embeddings before the pooled one.
        sizes: For each condition, whether it is a size.
        downscale: Pixels per latent element along one side.

    Attributes:
        halvings: How many times it halves its latent and rounds up, see `upsample_to_skips`.
    """

    def __init__(self, unet: Any, *, texts: int, sizes: tuple[bool, ...], downscale: int) -> None:
        super().__init__()
        self.unet, self.texts, self.sizes, self.downscale = unet, texts, sizes, downscale
        self.halvings = upsample_to_skips(unet)

    def forward(self, latent: Tensor, timestep: Tensor, *conditioning: Tensor) -> Tensor:
        texts, (pooled, *rest) = conditioning[: self.texts], conditioning[self.texts :]
        conditions, embedded = rest[: len(self.sizes)], rest[len(self.sizes) :]
        sides = [torch.full((1, 1), side * self.downscale, dtype=torch.float32) for side in latent.shape[2:]]
        picture = torch.cat(sides, dim=1)
        ids = [
            torch.where(value > 0, value, picture) if size else value
            for value, size in zip(conditions, self.sizes, strict=True)
        ]
        prediction: Tensor = self.unet(
            latent,
            timestep,
            encoder_hidden_states=torch.cat(texts, dim=-1),
            timestep_cond=guidance_embedding(self.unet, embedded),
            # the network concatenates both, and its embedding of the ids is always float32
            added_cond_kwargs={"text_embeds": pooled.float(), "time_ids": torch.cat(ids, dim=1)},
            return_dict=False,
        )[0]
        return prediction


def guidance_embedding(unet: Any, embedded: tuple[Tensor, ...] | list[Tensor]) -> Tensor | None:
    """The guidance input of a distilled UNet, from w (float32 `[N]`): sines and cosines of `1000 * (w - 1)`, `[N, D]`.

    Luo et al. 2023 (Latent Consistency Models), section 4.2; the frequencies are those of timesteps.
    """
    if not embedded:
        return None
    half = unet.config.time_cond_proj_dim // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10000.0) / (half - 1)))
    angles = 1000.0 * (embedded[0] - 1)[:, None] * frequencies[None]
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    # an odd D is padded with a zero at the end, as in diffusers
    return nn.functional.pad(embedding, (0, unet.config.time_cond_proj_dim % 2)).to(unet.dtype)


def unet_config(
    checkpoint: Checkpoint,
    *,
    texts: Sequence[str] = ("text_encoder",),
    numbers: int | None = None,
    repaints: bool = True,
) -> Mapping[str, Any]:
    """The config of a UNet that is conditioned on nothing but texts, and on sizes if its family has them.

    Args:
        checkpoint: Checkpoint with the parts `unet` and `vae`, and text encoders.
        texts: The text encoders whose embeddings it reads, joined along their width.
        numbers: Numbers in its conditions, beside the pooled embedding of the last text encoder; None if it has none.
        repaints: Whether it may also read a mask and the picture around it.

    Returns:
        The config with the defaults of the class.

    Raises:
        CheckpointError: The UNet reads something else too, or parts do not fit together.
    """
    config = checkpoint.settings("unet")
    check_channels(checkpoint, "unet", repaints=repaints)
    check_config(
        config,
        NETWORKS["UNet2DConditionModel"],
        what="UNet",
        remedy="No recipe has a port for what else this network reads.",
    )
    kind = None if numbers is None else "text_time"
    if config["addition_embed_type"] != kind:
        raise misfit("unet", "addition_embed_type", config["addition_embed_type"], f"{kind!r}, as of this family")
    key = "encoder_hid_dim" if config["encoder_hid_dim_type"] or config["encoder_hid_dim"] else "cross_attention_dim"
    check_width(checkpoint, "unet", key, texts, "hidden_size")
    if numbers is not None:
        pooled = checkpoint.settings(texts[-1])["projection_dim"]
        key, embedded = "projection_class_embeddings_input_dim", config["addition_time_embed_dim"]
        if type(embedded) is not int or type(pooled) is not int or config[key] != embedded * numbers + pooled:
            raise misfit(
                "unet",
                key,
                config[key],
                f"addition_time_embed_dim {embedded!r} times the {numbers} numbers of its conditions, and "
                f"projection_dim {pooled!r} of {texts[-1]}",
                remedy="Check these configs, and requires_aesthetics_score in model_index.json.",
            )
    return config


def trained_size(config: Mapping[str, Any], default: int, *, part: str = "UNet") -> tuple[int, int]:
    """Height and width at which a network was trained: of a denoiser in latent elements, of a VAE in pixels.

    Args:
        config: Config of the network; `sample_size` is one number, or height and width.
        default: The family's value, if the config states none.
        part: Name of the network, for the error.

    Raises:
        CheckpointError: `sample_size` is neither of these.
    """
    value = config.get("sample_size") or default
    sides = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(sides) != 2 or not all(type(side) is int and 0 < side <= LARGEST for side in sides):
        raise CheckpointError(
            f"The {part}'s config has sample_size {shown(value)}; expected a whole number from 1 to {LARGEST:,}, or "
            "two: height and width.",
            remedy="Get the checkpoint again.",
        )
    return sides


def reads_mask(config: Mapping[str, Any], channels: int) -> bool:
    """Whether a UNet also reads a mask and the picture around it: `2C + 1` input channels."""
    return bool(config.get("in_channels", channels) == 2 * channels + 1)
