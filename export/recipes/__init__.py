"""Recipes: one small file per family, each a value of this table. Families are named nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint
from latentlink.export.recipes import flux1, sd1, sd2, sd3, sdxl, sdxl_refiner, taesd, tiny_vae, vae
from latentlink.export.recipes.incomplete import refuse_incomplete, refuse_vain
from latentlink.export.recipes.recipe import Recipe

__all__ = ["RECIPES", "Recipe", "find_recipe"]

RECIPES: Mapping[str, Recipe] = {
    "sd1": sd1.RECIPE,
    "sd2": sd2.RECIPE,
    "sdxl": sdxl.RECIPE,
    "sdxl-refiner": sdxl_refiner.RECIPE,
    "sd3": sd3.RECIPE,
    "flux1": flux1.RECIPE,
    "vae": vae.RECIPE,
    "vae-tiny": tiny_vae.RECIPE,
    "taesd": taesd.RECIPE,
}


def find_recipe(checkpoint: Checkpoint, family: str) -> tuple[str, Recipe]:
    """The recipe named `family`, or for `auto` the one that matches.

    Raises:
        CheckpointError: There is none, as the family is unknown, or a part is missing or given in vain; or, for `auto`,
            the checkpoint names a pipeline that it does not stand for.
    """
    refuse_vain(checkpoint, RECIPES.values())
    if family == "auto":
        for name, recipe in RECIPES.items():
            if recipe.matches(checkpoint):
                if (other := recipe.other_pipeline(checkpoint)) is not None:
                    raise CheckpointError(f"{other}.", remedy=f"To export it as that all the same: --family {name}.")
                return name, recipe
        refuse_incomplete(checkpoint, RECIPES.values())
        found = ", ".join(f"{part}={cls}" for part, cls in checkpoint.classes.items()) or "nothing"
        raise CheckpointError(
            f"No recipe reads this checkpoint: it holds {found}; families known: {', '.join(RECIPES)}.",
            remedy="docs/adding-a-family.md explains how to write one.",
        )
    if family not in RECIPES:
        raise CheckpointError(f"Unknown family {family!r}; expected auto or one of: {', '.join(RECIPES)}.")
    if not RECIPES[family].matches(checkpoint):
        refuse_incomplete(checkpoint, (RECIPES[family],))
        raise CheckpointError(
            f"The checkpoint {str(checkpoint.root)!r} is not of family {family}.",
            remedy="Use --family auto.",
        )
    return family, RECIPES[family]
