"""Recognising the contents of a single file by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.weights import PLAIN, refuse_names
from latentlink.export.checkpoints.single_file.families import FAMILIES, VAE_ALONE, VAE_SLOT
from latentlink.export.checkpoints.single_file.family import Family, Slot
from latentlink.export.checkpoints.single_file.header import TensorFile
from latentlink.export.checkpoints.single_file.layout import Layout
from latentlink.export.checkpoints.single_file.vae import belongs_to_a_vae

# Files that are mistaken for models: part of a tensor's name, and what has such tensors.
OTHERS: Mapping[str, str] = {
    "lora_": "a LoRA",
    ".lora_A.": "a LoRA",
    "control_model.": "a ControlNet",
    "distilled_guidance_layer.": "Chroma",
    "single_stream_modulation.": "FLUX.2",
    "down_blocks.": "one network in diffusers' layout (give the directory of the whole checkpoint)",
    "transformer_blocks.": "one network in diffusers' layout (give the directory of the whole checkpoint)",
    "text_model.": "a text encoder",
    "bn.running_mean": "FLUX.2's VAE",
    ".pool.0.weight": "half of a tiny VAE with pooled branches, such as FLUX.2's (TAEF2), which no recipe here has",
    "3.conv.4.weight": "half of a tiny VAE in its author's layout (give a diffusers directory of the whole one)",
}

# Parts of names of the tensors of adapters: LoRA and its kin, ControlNet.
ADAPTER = re.compile(r"lora_|\.lora\.|hada_w|lokr_|oft_blocks|dora_scale|control_model\.")


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


def recognise(file: TensorFile) -> Contents:
    """Find the parts of a model in a file.

    Raises:
        CheckpointError: The model is unknown, or its parts do not fit together.
    """
    known = []
    for family in FAMILIES:
        denoiser = _find(file, family.denoiser)
        if denoiser is None:
            continue
        if all(denoiser.config.get(key) == value for key, value in family.fits.items()):
            parts = {family.denoiser.part: denoiser}
            for slot in (VAE_SLOT, *family.text_encoders):
                if (found := _find(file, slot)) is not None:
                    parts[slot.part] = found
            _check_widths(file, family, parts)
            adapters = [name for name in file.shapes if ADAPTER.search(name)]
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
    if (vae := _find(file, VAE_ALONE)) is not None:
        others = [name for name in file.shapes if not belongs_to_a_vae(name.removeprefix(vae.prefix))]
        refuse_names(
            repr(str(file.path)),
            "holds a VAE beside tensors of no model that is supported as a single file",
            others,
            "Give a diffusers directory; or, to export its VAE alone, a file with the tensors of the VAE alone.",
        )
        return Contents(family=None, parts={VAE_ALONE.part: vae})
    raise CheckpointError(
        f"{str(file.path)!r} holds {_guess(file)}; expected one of: "
        f"{', '.join(family.title for family in FAMILIES)}, or a VAE alone, in the layout it was published in.",
        remedy="Give a diffusers directory or another file.",
    )


def _find(file: TensorFile, slot: Slot) -> StoredPart | None:
    for prefix, layout in slot.places:
        if prefix + layout.evidence in file.shapes:
            config = layout.config(file.under(prefix, slot.part))
            return StoredPart(cls=slot.cls, prefix=prefix, layout=layout, config=config)
    return None


def _values(config: Mapping[str, Any], keys: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {config.get(key)}" for key in keys)


def _guess(file: TensorFile) -> str:
    for needle, what in OTHERS.items():
        if any(needle in name for name in file.shapes):
            return what
    examples = ", ".join(repr(name) for name in sorted(file.shapes)[:3])
    return f"tensors of an unknown layout, such as {examples}" if examples else "no tensors"


def _check_widths(file: TensorFile, family: Family, parts: Mapping[str, StoredPart]) -> None:
    """Refuse parts whose widths do not fit together."""
    for what, expected, actual in _pairs(family, parts):
        if expected != actual:
            raise CheckpointError(
                f"The parts in {str(file.path)!r} do not fit: the denoiser's {what} is {expected}, but the other parts "
                f"make {actual}.",
                remedy="Get the file again, or ask whoever merged it.",
            )


def _pairs(family: Family, parts: Mapping[str, StoredPart]) -> Iterator[tuple[str, int, int]]:
    denoiser = parts[family.denoiser.part].config
    for key, encoders in family.reads.items():
        if all(encoder in parts for encoder in encoders):
            configs = [parts[encoder].config for encoder in encoders]
            yield key, denoiser[key], sum(config.get("hidden_size") or config["d_model"] for config in configs)
    if "vae" in parts:
        key, times = family.latent_channels
        yield key, denoiser[key], parts["vae"].config["latent_channels"] * times
