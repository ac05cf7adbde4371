"""The name of a bundle: a path, or that of one that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

SHIPPED: Mapping[str, str] = dict.fromkeys(("demo", "demo-b", "demo-tiny"), "latentlink.demo")
"""Bundles that come with the package, and the package whose folder `bundles` holds each: only its files are read."""


def bundle_path(name: str | Path) -> Path:
    """The folder of a bundle: a path, or one of the `SHIPPED` names."""
    package = SHIPPED.get(str(name))
    return Path(name) if package is None else Path(str(resources.files(package))) / "bundles" / str(name)
