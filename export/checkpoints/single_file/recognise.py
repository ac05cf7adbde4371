"""Recognising the contents of a single file by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.other_models import ADAPTER, OtherModel, other_family, other_model
from latentlink.export.checkpoints.networks.weights import PLAIN, refuse_names
from latentlink.export.checkpoints.single_file.families import FAMILIES, VAE_ALONE, VAE_SLOT
from latentlink.export.checkpoints.single_file.family import Family, Slot
from latentlink.export.checkpoints.single_file.header import TensorFile
from latentlink.export.checkpoints.single_file.layout import Layout
from latentlink.export.checkpoints.single_file.vae import belongs_to_a_vae

SUPPORTED = (
    "a denoiser of Stable Diffusion 1, 2, XL or 3 or of FLUX.1, with or without its other parts, or a VAE alone, in "
    "the layout that it was published in"
)
ADAPTER_NAME = re.compile(ADAPTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part of a model in a file.

    Args:
        cls: Name of its class.
        prefix: Prefix of its tensors' names.
        layout: Layout of its tensors.
        config: Config inferred from shapes.
    """

    cls: str
    prefix: str
    layout: Layout
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Contents of a file.

    Args:
        family: The family; None for a VAE alone.
        parts: Every part found, by its name in `model_index.json`.
    """

    family: Family | None
    parts: Mapping[str, StoredPart]


def recognise(file: TensorFile, given: Collection[str] = ()) -> Contents:
    """Find the parts of a model in a file.

    Args:
        file: The file.
        given: Parts that are taken from elsewhere, so that those of the file are not read.

    Raises:
        CheckpointError: The model is unknown, or its parts do not fit together.
    """
    if (other := other_family(file.shapes)) is not None:
        raise _something_else(file, other)
    known = []
    for family in FAMILIES:
        denoiser = find(file, family.denoiser)
        if denoiser is None:
            continue
        if all(denoiser.config.get(key) == value for key, value in family.fits.items()):
            parts = {family.denoiser.part: denoiser}
            for slot in (VAE_SLOT, *family.text_encoders):
                if slot.part not in given and (found := find(file, slot)) is not None:
                    parts[slot.part] = found
            _check_widths(file, family, parts)
            adapters = [name for name in file.shapes if ADAPTER_NAME.search(name) or name.startswith("control_model.")]
            refuse_names(repr(str(file.path)), "holds an adapter beside the model", adapters, PLAIN)
            return Contents(family=family, parts=parts)
        known.append((family, denoiser))
    if known:
        raise CheckpointError(
            f"The denoiser in {str(file.path)!r} is of no family that is supported as a single file: it has "
            f"{_values(known[0][1].config, {k: v for family, _ in known for k, v in family.fits.items()})}; known are "
            + "; ".join(f"{family.title} ({_values(family.fits, family.fits)})" for family, _ in known)
            + ".",
            remedy="Give a diffusers directory: its config says what the model is.",
        )
    return Contents(family=None, parts={VAE_ALONE.part: _vae_alone(file)})


def find(file: TensorFile, slot: Slot) -> StoredPart | None:
    """The part of a slot, or None if the file has it in none of the slot's places.

    Raises:
        CheckpointError: It is there, but its shapes are not those of such a network.
    """
    for prefix, layout in slot.places:
        if prefix + layout.evidence in file.shapes:
            config = layout.config(file.under(prefix, slot.part))
            return StoredPart(cls=slot.cls, prefix=prefix, layout=layout, config=config)
    return None


def _vae_alone(file: TensorFile) -> StoredPart:
    vae = find(file, VAE_ALONE)
    others = [name for name in file.shapes if not belongs_to_a_vae(name.removeprefix(vae.prefix if vae else ""))]
    if vae is not None and not others:
        return vae
    held = {slot.part for family in FAMILIES for slot in family.text_encoders if _is_in(file, slot)}
    held |= set() if vae is None else {VAE_ALONE.part}
    if held:
        refuse_names(
            repr(str(file.path)),
            f"holds a {' and a '.join(sorted(held))}, but no denoiser that is known, beside other tensors",
            others,
            "Give a file or directory of the whole model. To take single parts from this file: --vae, --text-encoder.",
        )
    if (other := other_model(file.shapes)) is not None:
        raise _something_else(file, other)
    examples = ", ".join(repr(name) for name in sorted(file.shapes)[:3])
    what = f"tensors of an unknown layout, such as {examples}" if examples else "no tensors"
    raise CheckpointError(
        f"{str(file.path)!r} holds {what}; expected {SUPPORTED}.", remedy="Give a diffusers directory or another file."
    )


def _is_in(file: TensorFile, slot: Slot) -> bool:
    return any(prefix + layout.evidence in file.shapes for prefix, layout in slot.places)


def _something_else(file: TensorFile, other: OtherModel) -> CheckpointError:
    return CheckpointError(f"{str(file.path)!r} holds {other.what}; expected {SUPPORTED}.", remedy=other.remedy)


def _values(config: Mapping[str, Any], keys: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {config.get(key)}" for key in keys)


def _check_widths(file: TensorFile, family: Family, parts: Mapping[str, StoredPart]) -> None:
    """Refuse parts whose widths do not fit together."""
    configs = {part: stored.config for part, stored in parts.items()}
    for what, expected, actual, _ in family.widths(configs):
        if expected != actual:
            raise CheckpointError(
                f"The parts in {str(file.path)!r} do not fit: the denoiser's {what} is {expected}, but the other parts "
                f"make {actual}.",
                remedy="Get the file again, or ask whoever merged it.",
            )
