"""Whether given parts fit the denoiser, by widths and channels, before any weights are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.given.part import GivenPart
from latentlink.export.checkpoints.single_file.families import FAMILIES
from latentlink.export.checkpoints.single_file.family import Family


def refuse_misfits(
    classes: Mapping[str, str], settings: Callable[[str], Mapping[str, Any]], given: Mapping[str, GivenPart]
) -> None:
    """Refuse given parts of other widths or channels than the denoiser reads.

    Args:
        classes: Class of every part, given ones included.
        settings: Config of a part with the defaults of its class.
        given: The given parts.

    Raises:
        CheckpointError: One does not fit, or a config cannot be read.
    """
    if not given or (family := _family(classes, settings)) is None:
        return
    configs = {part: settings(part) for part in classes if part in (family.denoiser.part, "vae", *_encoders(family))}
    for key, read, made, parts in family.widths(configs):
        ours = [part for part in parts if part in given]
        each = read if isinstance(read, list | tuple) else [read]
        if ours and any(one != made for one in each):
            names = " and ".join(f"the {part} from {given[part].name!r}" for part in ours)
            raise CheckpointError(
                f"What was given does not fit: the denoiser has {key} {read!r}, but {names} makes it {made}.",
                remedy=f"Give one that was made for this denoiser, which looks like {family.title}.",
            )


def _encoders(family: Family) -> set[str]:
    return {slot.part for slot in family.text_encoders}


def _family(classes: Mapping[str, str], settings: Callable[[str], Mapping[str, Any]]) -> Family | None:
    """The family by its published values, else by its parts; None where neither tells it."""
    known = [family for family in FAMILIES if classes.get(family.denoiser.part) == family.denoiser.cls]
    if not known:
        return None
    denoiser = settings(known[0].denoiser.part)
    present = {part for part in classes if part.startswith("text_encoder")}
    fitting = (family for family in known if all(denoiser.get(key) == value for key, value in family.fits.items()))
    return next(fitting, None) or next((family for family in known if _encoders(family) == present), None)
