"""The two halves of a VAE as typed components: affine, 8-bit rounding and posterior sampling are in the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentlink.export.typed import TypedModule
from latentlink.spaces import LatentSpace


class Affine(nn.Module):
    """The affine between the denoiser's latent z and the VAE's raw latent r: `r = z / scaling * std + mean + shift`."""

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
        """z to r, float32 `[B, C, h, w]`."""
        return z * self.gain + self.offset

    def from_raw(self, r: Tensor) -> Tensor:
        """r to z, float32 `[B, C, h, w]`."""
        return (r - self.offset) / self.gain


class Decoder(TypedModule):
    """Latents of `space` to 8-bit pictures.

    Args:
        decode: The VAE's decoder, raw latent `[B, C, h, w]` to picture `[B, 3, H, W]` in -1..1.
        space: The space it reads.
    """

    def __init__(self, decode: nn.Module, space: LatentSpace) -> None:
        super().__init__(decode)
        self.affine = Affine(space)

    def forward(self, latent: Tensor) -> Tensor:
        """z `[B, C, h, w]` to uint8 RGB `[B, H, W, 3]`, rounded half to even as diffusers does in numpy."""
        picture = self.run(self.affine.to_raw(latent.float()))
        levels = torch.round(((picture * 0.5 + 0.5).clamp(0, 1)) * 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


class Encoder(TypedModule):
    """8-bit pictures to latents of `space`, sampled from the posterior.

    Args:
        moments: The VAE's encoder, picture `[B, 3, H, W]` in -1..1 to mean and log-variance `[B, 2C, h, w]`.
        space: The space it writes.
        interface_dtype: What crosses between engines.
    """

    def __init__(self, moments: nn.Module, space: LatentSpace, interface_dtype: torch.dtype) -> None:
        super().__init__(moments)
        self.affine = Affine(space)
        self.interface_dtype = interface_dtype

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        """uint8 RGB `[B, H, W, 3]` and standard normal noise `[B, C, h, w]` (zeros: the mode) to z `[B, C, h, w]`."""
        picture = image.permute(0, 3, 1, 2).float() / 255 * 2 - 1
        mean, log_variance = self.run(picture).chunk(2, dim=1)
        raw = mean + torch.exp(0.5 * log_variance.clamp(-30, 20)) * noise.float()
        return self.affine.from_raw(raw).to(self.interface_dtype)
