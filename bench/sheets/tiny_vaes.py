"""The published tiny VAEs of Stable Diffusion (TAESD, Boer Bohan, 2023) as bundles, from their author's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file

from latentlink.engine.build import build_bundle
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint

SPACES: Mapping[str, str] = {"taesd": "sd", "taesdxl": "sdxl"}
"""Known space by tiny VAE. The files `NAME_encoder.safetensors` and `NAME_decoder.safetensors` hold its halves."""

CLAMP = 1
"""Layers without weights before the decoder's first convolution, which diffusers does not count."""


def tiny_vae_checkpoint(weights: Path, name: str, out: Path) -> Path:
    """Write a tiny VAE as a diffusers directory. Its author numbers the layers of each half; diffusers prefixes them.

    Args:
        weights: Folder with the author's files.
        name: A key of `SPACES`.
        out: Folder to make.

    Returns:
        `out`.
    """
    state = {}
    for half, skipped in (("encoder", 0), ("decoder", CLAMP)):
        for key, tensor in load_file(weights / f"{name}_{half}.safetensors").items():
            number, _, rest = key.partition(".")
            state[f"{half}.layers.{int(number) - skipped}.{rest}"] = tensor
    out.mkdir(parents=True)
    save_file(state, out / "diffusion_pytorch_model.safetensors")
    (out / "config.json").write_text(json.dumps({"_class_name": "AutoencoderTiny"}), encoding="utf-8")
    return out


def tiny_vae_bundle(weights: Path, name: str, folder: Path) -> Path:
    """Export and build a tiny VAE in the space of the VAE that it was distilled from.

    Args:
        weights: Folder with the author's files.
        name: A key of `SPACES`.
        folder: Folder for the checkpoint, the export and the bundle.

    Returns:
        The bundle.
    """
    checkpoint = tiny_vae_checkpoint(weights, name, folder / "checkpoints" / name)
    exported, bundle = folder / "exports" / name, folder / "bundles" / name
    export_checkpoint(checkpoint, exported, options=ExportOptions(space=SPACES[name]))
    build_bundle(exported, bundle)
    return bundle
