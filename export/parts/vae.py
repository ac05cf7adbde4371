"""The two halves of a VAE as typed components, with affine, 8-bit rounding and posterior sampling in the graph."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import DTYPES, Component, TypedModule
from latentlink.export.parts.identity import check_vae_config, latent_space
from latentlink.ports import image_port, latent_port, mask_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace

# force_upcast is true by class default, so configs of these spaces state it although float16 is fine.
FITS_FLOAT16 = ("sd",)

MOMENTS = ("latents_mean", "latents_std")
AFFINE = ("scaling_factor", "shift_factor", *MOMENTS)
"""The keys of a VAE's config that describe its latent space."""

# Known reasons why float16 does not suffice.
OVERFLOWS = {KNOWN_SPACES["sdxl"]: "activations of the published one pass 65,504, the largest float16"}


class Affine(nn.Module):
    """The affine between the denoiser's latent z and the VAE's raw latent r: `r = z / scaling * std + mean + shift`.

    Args:
        space: Latent space with these numbers.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, space: LatentSpace) -> None:
        super().__init__()
        ones = torch.ones(space.channels, dtype=torch.float64)
        std = torch.tensor(space.std, dtype=torch.float64) if space.std else ones
        mean = torch.tensor(space.mean, dtype=torch.float64) if space.mean else 0 * ones
        self.register_buffer("gain", (std / space.scaling).float()[None, :, None, None], persistent=False)
        self.register_buffer("offset", (mean + space.shift).float()[None, :, None, None], persistent=False)

    def to_raw(self, z: Tensor) -> Tensor:
        """From z to r, float32 `[B, C, h, w]`."""
        return z * self.gain + self.offset

    def from_raw(self, r: Tensor) -> Tensor:
        """From r to z, float32 `[B, C, h, w]`."""
        return (r - self.offset) / self.gain


class VaeDecoder(TypedModule):
    """From latents to 8-bit pictures.

    Args:
        decode: The VAE's decoder, from the raw latent `[B, C, h, w]` to the picture `[B, 3, H, W]` in -1..1.
        affine: Affine from the denoiser's latent to the raw one.
    """

    def __init__(self, decode: nn.Module, affine: Affine) -> None:
        super().__init__(decode)
        self.affine = affine

    def forward(self, latent: Tensor) -> Tensor:
        """From z `[B, C, h, w]` to uint8 RGB `[B, H, W, 3]`, rounded half to even as diffusers does in numpy."""
        picture = self.run(self.affine.to_raw(latent.float()))
        levels = torch.round(((picture * 0.5 + 0.5).clamp(0, 1)) * 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


class VaeEncoder(TypedModule):
    """From 8-bit pictures to latents, sampled from the posterior.

    Args:
        moments: The VAE's encoder, from the picture `[B, 3, H, W]` in -1..1 to mean and log-variance `[B, 2C, h, w]`.
        affine: Affine between the denoiser's latent and the raw one.
        interface_dtype: Dtype of tensors that pass between engines.
    """

    def __init__(self, moments: nn.Module, affine: Affine, interface_dtype: torch.dtype) -> None:
        super().__init__(moments)
        self.affine = affine
        self.interface_dtype = interface_dtype

    def forward(self, image: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
        """Encode.

        Args:
            image: uint8 RGB `[B, H, W, 3]`.
            mask: float32 `[B, 1, H, W]`, 1 where the picture is hidden: replaced by mid-grey, which is no 8-bit value.
            noise: Standard normal `[B, C, h, w]`; zeros give the posterior's mode.

        Returns:
            z `[B, C, h, w]`, interface dtype.
        """
        # the cast comes first: TensorRT supports 8-bit inputs only for casts
        picture = (image.float().permute(0, 3, 1, 2) / 255 * 2 - 1) * (1 - mask)
        mean, log_variance = self.run(picture).chunk(2, dim=1)
        raw = mean + torch.exp(0.5 * log_variance.clamp(-30, 20)) * noise.float()
        return self.affine.from_raw(raw).to(self.interface_dtype)


class RawDecode(nn.Module):
    """The decoding half of an `AutoencoderKL`: from the raw latent `[B, C, h, w]` to the picture `[B, 3, H, W]`."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, raw: Tensor) -> Tensor:
        picture: Tensor = self.decoder(raw if self.post_quant_conv is None else self.post_quant_conv(raw))
        return picture


class RawMoments(nn.Module):
    """The encoding half of an `AutoencoderKL`: picture `[B, 3, H, W]` to mean and log-variance `[B, 2C, h, w]`."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv

    def forward(self, picture: Tensor) -> Tensor:
        hidden = self.encoder(picture)
        moments: Tensor = hidden if self.quant_conv is None else self.quant_conv(hidden)
        return moments


def vae_components(vae: Any, space: LatentSpace, options: ExportOptions) -> Iterator[Component]:
    """Encoder and decoder of an `AutoencoderKL`.

    One that may overflow in float16 states `force_upcast`, or does not deny it; it is then exported in float32 while
    the other components compute in float16.
    """
    may = bool(vae.config.force_upcast) and space.name not in FITS_FLOAT16
    yield from halves_as_components(
        RawDecode(vae),
        RawMoments(vae),
        Affine(space),
        space=space,
        options=options,
        overflows=_overflows(vae.config, space) if may else "",
    )


def halves_as_components(
    decode: nn.Module | None,
    moments: nn.Module | None,
    affine: Affine,
    *,
    space: LatentSpace,
    options: ExportOptions,
    overflows: str = "",
) -> Iterator[Component]:
    """Encoder and decoder as components with ports in `space`, in this order: the encoder's latents probe the decoder.

    Args:
        decode: From the raw latent `[B, C, h, w]` to the picture `[B, 3, H, W]` in -1..1; None without a decoder.
        moments: From the picture to mean and log-variance of the raw latent, `[B, 2C, h, w]`; None without an encoder.
        affine: Affine between the latent of `space` and the raw one.
        space: Latent space of the ports.
        options: Options of the export.
        overflows: Why they must not compute in float16; empty if they may.
    """
    latent = latent_port(space, options.io_dtype)
    if moments is not None:
        yield Component(
            name="vae_encoder",
            module=VaeEncoder(moments, affine, DTYPES[options.io_dtype]).eval(),
            inputs=(image_port(), mask_port(1), latent.at("noise")),
            outputs=(latent,),
            spaces=(space,),
            overflows=overflows,
        )
    if decode is not None:
        yield Component(
            name="vae_decoder",
            module=VaeDecoder(decode, affine).eval(),
            inputs=(latent,),
            outputs=(image_port(),),
            spaces=(space,),
            overflows=overflows,
        )


def _overflows(config: Mapping[str, Any], space: LatentSpace) -> str:
    # diffusers records which values of a config are class defaults
    unsaid = "force_upcast" in config.get("_use_default_values", ())
    reason = "its config does not say that it fits float16" if unsaid else "its config sets force_upcast"
    return f"{reason}, and {OVERFLOWS[space]}" if space in OVERFLOWS else f"{reason}, so float16 may overflow"


def load_vae(
    checkpoint: Checkpoint, options: ExportOptions, *, candidate: LatentSpace | None, affine: Collection[str] = AFFINE
) -> tuple[Any, LatentSpace]:
    """Load a checkpoint's `AutoencoderKL` and decide its latent space.

    Args:
        checkpoint: Checkpoint that holds it.
        options: Options of the export; the user may have named the space.
        candidate: Known space that the rest of the checkpoint indicates, if any.
        affine: The keys of `AFFINE` that the family's pipelines read; they ignore the others.

    Raises:
        CheckpointError: The VAE cannot be read, or the evidence for its space does not suffice.
    """
    from diffusers import AutoencoderKL

    check_vae_config(checkpoint.config("vae"))
    config = _as_read(checkpoint.config("vae"), affine)
    vae = checkpoint.network("vae", AutoencoderKL)
    space = latent_space(
        config=config,
        vae_state=vae.state_dict(),
        candidate=candidate if candidate and _has_published_size(config) else None,
        option=options.space,
        label=checkpoint.label,
        given=checkpoint.given["vae"].name if "vae" in checkpoint.given else None,
    )
    return vae, space


def _as_read(config: Mapping[str, Any], affine: Collection[str]) -> Mapping[str, Any]:
    """A VAE's config without what no pipeline of the family reads; mean and std have no effect without each other."""
    whole = all(config.get(key) for key in MOMENTS)
    unread = {key for key in AFFINE if key not in affine or (key in MOMENTS and not whole)}
    return {key: value for key, value in config.items() if key not in unread}


def _has_published_size(config: Mapping[str, Any]) -> bool:
    """Whether the VAE has the widths of the published VAEs of its class."""
    return list(config.get("block_out_channels", ())) == [128, 256, 512, 512]
