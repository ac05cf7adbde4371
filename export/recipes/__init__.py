"""Recipes: one small file a family, each a value of this table. A family exists nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoint import Checkpoint
from latentlink.export.component import Component
from latentlink.export.recipes import flux1, latent_diffusion, sd1, sd2, sd3, sdxl, sdxl_refiner, vae
from latentlink.export.recipes.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one family becomes components.

    Args:
        title: What the family is, for people.
        matches: Whether a checkpoint is of this family.
        components: The components, made one at a time so that only one is in memory.
        sampling: `sampling` of the manifest: training schedule and defaults.
        names: Names of all components in order, for progress bars.
        optional: Components that a user may leave out.
    """

    title: str
    matches: Callable[[Checkpoint], bool]
    components: Callable[[Checkpoint, Options], Iterator[Component]]
    sampling: Callable[[Checkpoint], Mapping[str, Any]]
    names: Callable[[Checkpoint, Options], tuple[str, ...]]
    optional: tuple[str, ...] = ("vae_encoder",)


RECIPES: Mapping[str, Recipe] = {
    "sd1": Recipe(
        title="Stable Diffusion 1.x",
        matches=sd1.matches,
        components=sd1.components,
        sampling=latent_diffusion.sampling,
        names=lambda checkpoint, options: latent_diffusion.NAMES,
    ),
    "sd2": Recipe(
        title="Stable Diffusion 2.x",
        matches=sd2.matches,
        components=sd2.components,
        sampling=latent_diffusion.sampling,
        names=lambda checkpoint, options: latent_diffusion.NAMES,
    ),
    "sdxl": Recipe(
        title="Stable Diffusion XL",
        matches=sdxl.matches,
        components=sdxl.components,
        sampling=sdxl.sampling,
        names=lambda checkpoint, options: sdxl.NAMES,
    ),
    "sdxl-refiner": Recipe(
        title="Stable Diffusion XL refiner",
        matches=sdxl_refiner.matches,
        components=sdxl_refiner.components,
        sampling=sdxl_refiner.sampling,
        names=lambda checkpoint, options: sdxl_refiner.NAMES,
    ),
    "sd3": Recipe(
        title="Stable Diffusion 3 and 3.5",
        matches=sd3.matches,
        components=sd3.components,
        sampling=sd3.sampling,
        names=sd3.names,
        optional=("vae_encoder", "text_encoder_3"),
    ),
    "flux1": Recipe(
        title="FLUX.1",
        matches=flux1.matches,
        components=flux1.components,
        sampling=flux1.sampling,
        names=lambda checkpoint, options: flux1.NAMES,
    ),
    "vae": Recipe(
        title="AutoencoderKL",
        matches=vae.matches,
        components=vae.components,
        sampling=vae.sampling,
        names=lambda checkpoint, options: vae.NAMES,
    ),
}


def find_recipe(checkpoint: Checkpoint, family: str) -> tuple[str, Recipe]:
    """The recipe named `family`, or for `auto` the one that matches.

    Raises:
        CheckpointError: There is none.
    """
    if family == "auto":
        for name, recipe in RECIPES.items():
            if recipe.matches(checkpoint):
                return name, recipe
        found = ", ".join(f"{part}={cls}" for part, cls in checkpoint.classes.items()) or "nothing"
        raise CheckpointError(
            f"No recipe reads this checkpoint: it holds {found}; families known: {', '.join(RECIPES)}.",
            remedy="docs/adding-a-family.md tells how to write one.",
        )
    if family not in RECIPES:
        raise CheckpointError(f"Unknown family {family!r}; expected auto or one of: {', '.join(RECIPES)}.")
    if not RECIPES[family].matches(checkpoint):
        raise CheckpointError(
            f"The checkpoint {str(checkpoint.root)!r} is not of family {family}.",
            remedy="Use --family auto.",
        )
    return family, RECIPES[family]
