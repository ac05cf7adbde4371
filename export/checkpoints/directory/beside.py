"""Adapters that lie beside the parts of a checkpoint, which diffusers does not load by itself either."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.other_models import other_model
from latentlink.export.checkpoints.networks.safetensors_file import read_header

# Names that diffusers gives to pickled adapters, which are not opened.
PICKLED = {"pytorch_lora_weights.bin": "a LoRA", "learned_embeds.bin": "a textual inversion"}

MOST = 8


def adapters_beside(root: Path) -> Mapping[str, str]:
    """By file name: that a file in a checkpoint's directory is an adapter, such as a LoRA, which is not applied.

    Args:
        root: The directory. At most 8 files are named.
    """
    found = {name: what for name, what in PICKLED.items() if (root / name).is_file()}
    for path in sorted(root.glob("*.safetensors")):
        if path.is_file() and (what := _steers(path)) is not None:
            found[path.name] = what
    return {
        name: f"{name} beside the parts is {what}, which is not applied; merge it into the model first"
        for name, what in sorted(found.items())[:MOST]
    }


def _steers(path: Path) -> str | None:
    try:
        other = other_model(read_header(path)[0])
    except CheckpointError:  # it is not read anyway
        return None
    return other.what if other is not None and other.steers else None
