"""Files of one part, such as `ae.safetensors` or `clip_l.safetensors`: where the tensors of each are."""

from __future__ import annotations

from latentlink.export.checkpoints.single_file.clip import (
    CLIP,
    EARLY_CLIP,
    EARLY_UNPROJECTED_CLIP,
    OPEN_CLIP,
    UNPROJECTED_CLIP,
)
from latentlink.export.checkpoints.single_file.families import FAMILIES, VAE_ALONE
from latentlink.export.checkpoints.single_file.family import Slot
from latentlink.export.checkpoints.single_file.layout import Layout
from latentlink.export.checkpoints.single_file.t5 import T5

DENOISERS = frozenset(family.denoiser.cls for family in FAMILIES)
"""Classes of the denoisers whose other parts are known."""


def slot_of(part: str, denoiser: str | None) -> Slot | None:
    """Class of a part and its places in a file of its own, or in a file of a whole model of the same family.

    Args:
        part: `vae`, `text_encoder`, ...
        denoiser: Class of the denoiser that reads it.

    Returns:
        None if models with such a denoiser have no such part, or are unknown.
    """
    if part == VAE_ALONE.part:
        return VAE_ALONE
    slots = [
        slot
        for family in FAMILIES
        if family.denoiser.cls == denoiser
        for slot in family.text_encoders
        if slot.part == part
    ]
    if not slots:
        return None
    places = [place for slot in slots for place in slot.places]
    alone = {layout: None for _, layout in places for layout in _alone(layout)}
    # the families with equal denoisers agree about the class
    return Slot(part=part, cls=slots[0].cls, places=(*(("", layout) for layout in alone), *places))


def _alone(layout: Layout) -> tuple[Layout, ...]:
    """How an encoder that whole models hold in `layout` is stored in a file of its own."""
    if layout is UNPROJECTED_CLIP:
        return UNPROJECTED_CLIP, EARLY_UNPROJECTED_CLIP
    return (T5,) if layout is T5 else (CLIP, EARLY_CLIP, OPEN_CLIP)
