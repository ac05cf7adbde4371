"""A VAE by itself, for its decoder to take another's place: `load(BUNDLE, replace={"vae_decoder": THIS})`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import load_vae, vae_components, vae_layout
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
    return sampling_of_sizes(int(vae.get("sample_size") or SIDE), factor)


def sampling_of_sizes(side: int, factor: int) -> Mapping[str, Any]:
    """A `sampling` of which a VAE has only its sizes.

    Args:
        side: Of the pictures it was trained on, in pixels.
        factor: Pixels a latent element.
    """
    side = max(side // factor, 1) * factor
    return {
        "schedule": {},
        "sampler": "none",
        "steps": 1,
        "guidance": 1.0,
        "width": side,
        "height": side,
        "size_multiple": factor,
    }


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """Decoder and encoder. No other part speaks for a known space, so the user or the config has to."""
    vae, space = load_vae(checkpoint, options, candidate=None)
    yield from vae_components(vae, space, options)


RECIPE = Recipe(
    title="AutoencoderKL",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
)
