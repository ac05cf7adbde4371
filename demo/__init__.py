"""The two small trained demo models: how they are drawn, trained and checked, and the bundles that ship."""

from __future__ import annotations

from pathlib import Path

NAMES = ("demo", "demo-b")


def checkpoint(name: str) -> Path:
    """Folder of a demo model's diffusers checkpoint."""
    return Path(__file__).parent / "checkpoints" / name


def bundle(name: str) -> Path:
    """Folder of a demo model's prebuilt bundle."""
    return Path(__file__).parent / "bundles" / name
