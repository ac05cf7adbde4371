"""A VAE alone, whose decoder can replace another one: `load(BUNDLE, replace={"vae_decoder": THIS})`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import load_vae, trained_size, vae_components, vae_layout
from latentlink.export.recipes.recipe import Recipe

CLASSES = {"vae": "AutoencoderKL"}
NAMES = ("vae_encoder", "vae_decoder")
SIDE = 512


def matches(checkpoint: Checkpoint) -> bool:
    """Whether there is a VAE and nothing else."""
    return dict(checkpoint.classes) == CLASSES


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`."""
    vae = checkpoint.config("vae")
    _, factor = vae_layout(vae)
    return sampling_of_sizes(trained_size(vae, SIDE, part="VAE"), factor)


def sampling_of_sizes(sides: tuple[int, int], factor: int) -> Mapping[str, Any]:
    """The manifest's `sampling` for a VAE, which has only sizes.

    Args:
        sides: Height and width of pictures in training, in pixels.
        factor: Pixels per latent element along one side.
    """
    height, width = (max(side // factor, 1) * factor for side in sides)
    return {
        "schedule": {},
        "sampler": "none",
        "steps": 1,
        "guidance": 1.0,
        "width": width,
        "height": height,
        "size_multiple": factor,
    }


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """Decoder and encoder. No other part indicates a known space, so the user or the config has to name it."""
    vae, space = load_vae(checkpoint, options, candidate=None)
    yield from vae_components(vae, space, options)


RECIPE = Recipe(
    title="AutoencoderKL",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
)
