"""A tiny VAE in its author's files: TAESD, TAESDXL, TAESD3, TAEF1, TAEF2 and TAESANA (Boer Bohan, 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import Affine, Taesd, distilled_space, halves_as_components, spaces_of
from latentlink.export.recipes.recipe import Recipe
from latentlink.export.recipes.tiny_vae import NO_VARIANCE
from latentlink.export.recipes.vae import NAMES, SIDE, sampling_of_sizes

CLASSES = {"vae": "TAESD"}


class Decode(nn.Module):
    """From z `[B, C, h, w]`, unfolded into patches where the space folds them, to the picture `[B, 3, H, W]` in -1..1.

    Args:
        decoder: The author's decoder, whose pictures are in 0..1.
        patch: `LatentSpace.patch`.
    """

    def __init__(self, decoder: nn.Module, patch: int) -> None:
        super().__init__()
        self.decoder, self.patch = decoder, patch

    def forward(self, z: Tensor) -> Tensor:
        picture: Tensor = self.decoder(z if self.patch == 1 else pixel_shuffle(z, self.patch))
        return picture * 2 - 1


class Moments(nn.Module):
    """From the picture `[B, 3, H, W]` in -1..1 to z and `NO_VARIANCE`.

    Args:
        encoder: The author's encoder, which reads pictures in 0..1.
        patch: `LatentSpace.patch`.
    """

    def __init__(self, encoder: nn.Module, patch: int) -> None:
        super().__init__()
        self.encoder, self.patch = encoder, patch

    def forward(self, picture: Tensor) -> Tensor:
        latent = self.encoder((picture + 1) / 2)
        z = latent if self.patch == 1 else pixel_unshuffle(latent, self.patch)
        return torch.cat([z, torch.full_like(z, NO_VARIANCE)], dim=1)


def matches(checkpoint: Checkpoint) -> bool:
    """Whether there is a tiny VAE in its author's layout and nothing else."""
    return dict(checkpoint.classes) == CLASSES


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`; a VAE has only sizes."""
    return sampling_of_sizes((SIDE, SIDE), _multiple(checkpoint))


def _multiple(checkpoint: Checkpoint) -> int:
    """Pixels that sides are multiples of: the latent's downscale, or that of a known space that folds such latents."""
    config = checkpoint.config("vae")
    channels, downscale = config["latent_channels"], config["downscale"]
    return max(int(downscale), *(space.downscale for space in spaces_of(channels, downscale)), 1)


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The halves that there are. Their ports carry the latent space of the VAE that this one was distilled from."""
    config = checkpoint.config("vae")
    space = distilled_space(channels=config["latent_channels"], downscale=config["downscale"], option=options.space)
    if _multiple(checkpoint) % space.downscale:
        raise CheckpointError(
            f"The latent space {space.name} ({space.numbers()}) folds patches that no known space of such a VAE folds; "
            f"expected sides in multiples of {_multiple(checkpoint)} pixels."
        )
    vae = checkpoint.network("vae", Taesd)
    # it reads and writes z itself, so no affine is left to do
    plain = Affine(replace(space, scaling=1.0, shift=0.0, mean=None, std=None))
    yield from halves_as_components(
        None if vae.decoder is None else Decode(vae.decoder, space.patch),
        None if vae.encoder is None else Moments(vae.encoder, space.patch),
        plain,
        space=space,
        options=options,
    )


RECIPE = Recipe(
    title="TAESD",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
)
