"""Checkpoints whose denoiser is of a known family, but which lack other parts of it, or were given too many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, option
from latentlink.export.recipes.recipe import Recipe


def refuse_vain(checkpoint: Checkpoint, recipes: Iterable[Recipe]) -> None:
    """Refuse a given part that the denoiser's family does not have.

    Args:
        checkpoint: A checkpoint with its given parts.
        recipes: The known families.

    Raises:
        CheckpointError: There is such a part.
    """
    families = [recipe for recipe in recipes if recipe.is_denoised_as(checkpoint)]
    for part in checkpoint.given:
        if families and not any(part in (*family.classes, *family.names) for family in families):
            raise CheckpointError(
                f"A {part} was given, but {families[0].title} has none.", remedy=f"Leave {option(part)} out."
            )


def refuse_incomplete(checkpoint: Checkpoint, recipes: Iterable[Recipe]) -> None:
    """Name what a checkpoint lacks of the family that its denoiser is of.

    Args:
        checkpoint: A checkpoint that no recipe matches.
        recipes: The families to look at.

    Raises:
        CheckpointError: The denoiser is of one of them, and parts are missing.
    """
    for recipe in recipes:
        lacking = {part: cls for part, cls in recipe.classes.items() if part not in checkpoint.classes}
        if lacking and recipe.is_denoised_as(checkpoint):
            raise CheckpointError(
                f"{checkpoint.name!r} holds the denoiser of {recipe.title}, but lacks "
                f"{_listed([f'{part} ({cls})' for part, cls in lacking.items()])}.",
                remedy=f"Give what is missing: {' '.join(f'{option(part)} X' for part in lacking)}, where X is a "
                "diffusers directory of a whole model, a directory of the part, or a .safetensors file of it.",
            )


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
