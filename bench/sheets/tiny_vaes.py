"""The published tiny VAEs of Stable Diffusion (TAESD, Boer Bohan, 2023) as bundles, from their author's files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from latentlink.engine.build import build_bundle
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint

SPACES: Mapping[str, str] = {"taesd": "sd", "taesdxl": "sdxl"}
"""Known space by tiny VAE. The files `NAME_encoder.safetensors` and `NAME_decoder.safetensors` hold its halves."""


def tiny_vae_checkpoint(weights: Path, name: str, out: Path) -> Path:
    """Put both files of a tiny VAE into a folder of their own.

    Args:
        weights: Folder with the author's files.
        name: A key of `SPACES`.
        out: Folder to make.

    Returns:
        `out`.
    """
    out.mkdir(parents=True)
    for half in ("encoder", "decoder"):
        shutil.copyfile(weights / f"{name}_{half}.safetensors", out / f"{name}_{half}.safetensors")
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
