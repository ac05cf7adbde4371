"""What several tests share: a tiny random checkpoint, its export and its bundle, and the demo models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers checkpoint of the first family's classes with random weights and odd dimensions."""
    from latentlink.bench.random_checkpoint import make_checkpoint

    return make_checkpoint("tiny", tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="session")
def tiny_export(tiny: Path) -> Path:
    """The checkpoint's export, float32."""
    from latentlink.export.exporter import export_checkpoint

    out = tiny.parent / "tiny-export"
    export_checkpoint(tiny, out)
    return out


@pytest.fixture(scope="session")
def tiny_bundle(tiny_export: Path) -> Path:
    """The export's ort-cpu bundle."""
    from latentlink.engine.build import build_bundle

    out = tiny_export.parent / "tiny-bundle"
    build_bundle(tiny_export, out)
    return out
