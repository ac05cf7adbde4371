"""Names of bundles: a path, or the name of a bundle that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

SHIPPED: Mapping[str, str] = dict.fromkeys(("demo", "demo-b", "demo-tiny"), "latentlink.demo")
"""Names of the bundles that come with the package, each with the package whose `bundles` folder holds it; of
that package only files are read."""


def bundle_path(name: str | Path) -> Path:
    """The directory of a bundle, given as a path or as one of the `SHIPPED` names."""
    package = SHIPPED.get(str(name))
    return Path(name) if package is None else Path(str(resources.files(package))) / "bundles" / str(name)
