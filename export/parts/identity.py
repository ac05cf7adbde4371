"""Latent space and text embeddings of a checkpoint: decided from evidence, never by default."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.configs import NETWORKS, check_config, with_defaults
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values in name order, values rounded to float16.

    Rounding makes the digests of a float32 checkpoint and of its float16 copy equal.
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
    option: str | LatentSpace | None,
    label: str,
    given: str | None = None,
) -> LatentSpace:
    """Decide the latent space of a VAE.

    Args:
        config: The VAE's config as stated in the checkpoint, without class defaults.
        vae_state: The VAE's weights.
        candidate: Known space of this architecture, if the rest of the checkpoint agrees with it.
        option: The user's option, if any: a known space or a name for a space of its own (`--space`), or a space
            (`--space-of`).
        label: Name for a space of its own, if the user gave none.
        given: Name of the VAE, if it is not the checkpoint's own.

    Raises:
        CheckpointError: The evidence contradicts itself or does not suffice.
    """
    channels, downscale = vae_layout(config)
    stated = _affine_of(config)
    choice = _named_space(option)
    if choice is not None:
        if (channels, downscale) != (choice.channels, choice.downscale) or _contradicts(choice, stated):
            raise CheckpointError(
                f"{_meaning(option, choice)}, but the VAE's config says {channels} channels, /{downscale}, "
                f"{_numbers(stated)}.",
                remedy="Leave it out to keep what the config says, or name another space.",
            )
        return choice
    if option is None and candidate is not None:
        if not _contradicts(candidate, stated):
            return candidate
        if given is not None:
            raise CheckpointError(
                f"The VAE that was given, {given!r}, states {_numbers(stated)}, but the denoiser reads "
                f"{_title(candidate)}.",
                remedy="Give a VAE of that space; if the denoiser was trained with this one, name a new space: "
                "--space NAME.",
            )
    if "scaling" not in stated:
        raise _question(channels, downscale)
    encoder = {k: v for k, v in vae_state.items() if k.startswith(("encoder.", "quant_conv."))}
    name = option if isinstance(option, str) else label
    return LatentSpace(name=name, channels=channels, downscale=downscale, **stated, weights=weights_sha256(encoder))


def distilled_space(*, channels: int, downscale: int, option: str | LatentSpace | None) -> LatentSpace:
    """The space of a VAE that was distilled from another: its own files do not tell it, so the user has to name it.

    Args:
        channels: Channels of the latent that it writes, before any patches are folded into channels.
        downscale: Pixels per element of that latent along one side.
        option: See `latent_space`.

    Raises:
        CheckpointError: The user named no space, or one that does not fit.
    """
    choice = _named_space(option)
    if choice is not None:
        if (channels, downscale) != choice.unfolded:
            raise CheckpointError(
                f"{_meaning(option, choice)}, but the VAE has {channels} channels, /{downscale}.",
                remedy="Name the space of the VAE that it was distilled from.",
            )
        return choice
    fitting = spaces_of(channels, downscale)
    known = "; ".join(map(_title, fitting)) or "none"
    unknown = "" if option is None else f", and --space {option} names no known one"
    named = f" with --space {'|'.join(space.name for space in fitting)}, or" if fitting else ""
    raise CheckpointError(
        "A VAE that was distilled from another reads that one's latent space, and its files do not say which"
        f"{unknown}; known with {channels} channels, /{downscale}: {known}.",
        remedy=f"Say so{named} with --space-of and a bundle or export that has the space.",
    )


def _named_space(option: str | LatentSpace | None) -> LatentSpace | None:
    """The space that the user gave or named; None for a new name or no option."""
    return KNOWN_SPACES.get(option) if isinstance(option, str) else option


def _meaning(option: str | LatentSpace | None, choice: LatentSpace) -> str:
    return (
        f"--space {option} means {choice.numbers()}"
        if isinstance(option, str)
        else f"--space-of means {_title(choice)}"
    )


def _numbers(stated: Mapping[str, Any]) -> str:
    return ", ".join(f"{what} {value}" for what, value in stated.items()) or "scaling none"


def _title(space: LatentSpace) -> str:
    return f"{space.name} ({space.numbers()})"


def spaces_of(channels: int, downscale: int) -> list[LatentSpace]:
    """Known spaces of VAEs whose latents have these channels and this downscale, before patches are folded.

    Args:
        channels: Channels of the VAE's output.
        downscale: Pixels per element of it along one side.
    """
    return [space for space in KNOWN_SPACES.values() if space.unfolded == (channels, downscale)]


def _fitting(channels: int, downscale: int) -> list[LatentSpace]:
    """Of these, the ones whose latents are not folded."""
    return [space for space in spaces_of(channels, downscale) if space.patch == 1]


def vae_layout(config: Mapping[str, Any]) -> tuple[int, int]:
    """Channels of a VAE's latent, and pixels per latent element along one side.

    Args:
        config: Config of the VAE as stated in the checkpoint.

    Raises:
        CheckpointError: The config does not state valid numbers.
    """
    widths = config.get("block_out_channels")
    channels = config.get("latent_channels", 4)
    if not isinstance(widths, list | tuple) or not widths or not all(_is_size(n) for n in (*widths, channels)):
        raise CheckpointError(
            f"The VAE's config has block_out_channels {widths!r} and latent_channels {channels!r}; expected a list "
            "of whole numbers and a whole number, all above 0.",
            remedy="Get the checkpoint again.",
        )
    return channels, 2 ** (len(widths) - 1)


def check_vae_config(config: Mapping[str, Any]) -> None:
    """Refuse a VAE's config whose latent cannot be described, before a network is made from it.

    Raises:
        CheckpointError: A value of its layout or affine is not a number, or a list does not have one per channel.
    """
    channels, _ = vae_layout(config)
    check_config(
        with_defaults("AutoencoderKL", config),
        NETWORKS["AutoencoderKL"],
        what="VAE",
        remedy="No recipe has ports for such pictures.",
    )
    for key in ("scaling_factor", "shift_factor"):
        if (value := config.get(key)) is not None and not _is_number(value):
            raise _malformed(key, value, "a number")
    for key in ("latents_mean", "latents_std"):
        value = config.get(key)
        if value and not (isinstance(value, list | tuple) and len(value) == channels and all(map(_is_number, value))):
            raise _malformed(key, value, f"{channels} numbers, one per channel")


def _is_size(value: object) -> bool:
    return type(value) is int and value > 0


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _malformed(key: str, value: object, expected: str) -> CheckpointError:
    return CheckpointError(
        f"The VAE's config has {key} {value!r}; expected {expected}.", remedy="Get the checkpoint again."
    )


def _affine_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The affine that a VAE's config states, by the names of `LatentSpace`."""
    stated: dict[str, Any] = {}
    for key, name in (("scaling_factor", "scaling"), ("shift_factor", "shift")):
        if (value := config.get(key)) is not None:
            stated[name] = value
    for key, name in (("latents_mean", "mean"), ("latents_std", "std")):
        if value := config.get(key):
            stated[name] = tuple(value)
    return stated


def _contradicts(space: LatentSpace, stated: Mapping[str, Any]) -> bool:
    return any(getattr(space, name) != value for name, value in stated.items())


def _question(channels: int, downscale: int) -> CheckpointError:
    """The error that asks which of the known spaces with such latents it is."""
    fitting = _fitting(channels, downscale)
    unsaid = "The VAE's config states no scaling_factor, and the rest of the checkpoint does not say its latent space; "
    if not fitting:
        return CheckpointError(
            f"{unsaid}no known space has {channels} channels, /{downscale}.",
            remedy="Give a diffusers directory with scaling_factor in the VAE's config.json, and a name with --space; "
            "or, with --space-of, a bundle or export that has the space.",
        )
    return CheckpointError(
        f"{unsaid}known with {channels} channels, /{downscale}: {'; '.join(map(_title, fitting))}.",
        remedy=f"Which is it? Say so with --space {'|'.join(space.name for space in fitting)}, with --space-of and a "
        "bundle or export that has the space, or give a diffusers directory with scaling_factor in the VAE's "
        "config.json.",
    )


def text_embedding(
    *, name: str | None, width: int, output: str, state: Mapping[str, Tensor], label: str
) -> TextEmbedding:
    """The embedding that a text encoder writes: a published one by `name`, else one identified by its weights."""
    if name is not None:
        return TextEmbedding(name=name, width=width, output=output)
    return TextEmbedding(name=label, width=width, output=output, weights=weights_sha256(state))
