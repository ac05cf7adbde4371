"""Which latent space and which text embedding a checkpoint has: decided from evidence, never by default."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values in name order, values rounded to float16.

    The rounding makes a float32 checkpoint and the float16 file saved from it the same weights.
    """
    whole = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        whole.update(f"{name}{tuple(tensor.shape)}".encode())
        whole.update(tensor.detach().to(torch.float16).contiguous().cpu().numpy().tobytes())
    return whole.hexdigest()


def latent_space(
    *,
    config: Mapping[str, Any],
    vae_state: Mapping[str, Tensor],
    candidate: LatentSpace | None,
    asked: str | None,
    label: str,
) -> LatentSpace:
    """Decide the latent space of a VAE.

    Args:
        config: The VAE's config as it stands in the checkpoint, class defaults not filled in.
        vae_state: Its weights.
        candidate: The known space whose architecture this is, where the rest of the checkpoint agrees.
        asked: What the user said with `--space`: a known space, or a name for a space of its own.
        label: Name for a space of its own where the user gave none.

    Raises:
        CheckpointError: The evidence contradicts itself or does not suffice.
    """
    stated = config.get("scaling_factor")
    if asked is not None and asked in KNOWN_SPACES:
        known = KNOWN_SPACES[asked]
        _agree(known, config, stated)
        return known
    if asked is None and candidate is not None and stated in (None, candidate.scaling):
        return candidate
    if stated is None:
        raise CheckpointError(
            "The VAE's config states no scaling_factor, and the rest of the checkpoint does not say which latent "
            f"space it is of the known ones ({', '.join(KNOWN_SPACES)}).",
            remedy="Which is it? Say so with --space NAME, or write scaling_factor into vae/config.json.",
        )
    encoder = {k: v for k, v in vae_state.items() if k.startswith(("encoder.", "quant_conv."))}
    return LatentSpace(
        name=asked or label,
        channels=int(config.get("latent_channels", 4)),
        downscale=2 ** (len(config["block_out_channels"]) - 1),
        scaling=float(stated),
        shift=float(config.get("shift_factor") or 0.0),
        mean=tuple(config["latents_mean"]) if config.get("latents_mean") else None,
        std=tuple(config["latents_std"]) if config.get("latents_std") else None,
        weights=weights_sha256(encoder),
    )


def _agree(known: LatentSpace, config: Mapping[str, Any], stated: float | None) -> None:
    """Refuse a `--space` that the VAE's own config contradicts."""
    channels = config.get("latent_channels", 4)
    downscale = 2 ** (len(config["block_out_channels"]) - 1)
    if (channels, downscale) != (known.channels, known.downscale) or stated not in (None, known.scaling):
        scaling = "none" if stated is None else f"{stated:g}"
        raise CheckpointError(
            f"--space {known.name} means {known.numbers()}, but the VAE's config says {channels} channels, "
            f"/{downscale}, scaling {scaling}.",
            remedy="Leave --space out to keep what the config says, or name another space.",
        )


def text_embedding(
    *, name: str | None, width: int, output: str, state: Mapping[str, Tensor], label: str
) -> TextEmbedding:
    """The embedding a text encoder writes: a well-known one by `name`, else one identified by its weights."""
    if name is not None:
        return TextEmbedding(name=name, width=width, output=output)
    return TextEmbedding(name=label, width=width, output=output, weights=weights_sha256(state))
