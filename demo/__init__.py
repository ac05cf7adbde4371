"""The two small trained demo models and further decoders: how they are made and checked, and their shipped bundles."""

from __future__ import annotations

from pathlib import Path

NAMES = ("demo", "demo-b")

DECODERS = ("demo-tiny", "demo-ft")
"""VAEs for demo's latent space: an AutoencoderTiny, and demo's VAE with a fine-tuned decoder."""


def checkpoint(name: str) -> Path:
    """Folder of the diffusers checkpoint of one of `NAMES` or `DECODERS`."""
    return Path(__file__).parent / "checkpoints" / name


def bundle(name: str) -> Path:
    """Folder of the prebuilt bundle of one of `NAMES`, or of `demo-tiny`."""
    return Path(__file__).parent / "bundles" / name
