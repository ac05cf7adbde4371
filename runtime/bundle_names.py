"""What a bundle is called: a path, or the name of one that comes with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

SHIPPED = ("demo", "demo-b", "demo-tiny")
"""Names that stand for the bundles that come with the package."""


def bundle_path(name: str | Path) -> Path:
    """Where a bundle lies: a path, or one of the `SHIPPED` names."""
    if str(name) in SHIPPED:
        return Path(str(resources.files("latentlink.demo"))) / "bundles" / str(name)
    return Path(name)
