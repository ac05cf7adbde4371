"""TensorRT for RTX compiles every family's graphs and those of the demo models: for real, without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from latentlink.demo import checkpoint
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import SHALLOW, Manifest
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint
from tests.parity.conftest import STEP_CACHE

if TYPE_CHECKING:
    from tests.parity.conftest import Made

pytestmark = pytest.mark.slow
pytest.importorskip("tensorrt_rtx_bindings")

FAMILIES = ("tiny-sd1", "tiny-sd2", "tiny-sdxl", "tiny-sd3", "tiny-flux-dev")


def sizes(manifest: Manifest) -> dict[str, int]:
    """Bytes of every component's plan."""
    return {name: manifest.files[entry.engines[0].path].size for name, entry in manifest.components.items()}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FAMILIES])
def test_a_family_is_compiled(name: str, bundle_of: Callable[[str], Made], tmp_path: Path) -> None:
    made = bundle_of(name)
    for number, export in enumerate(made.exports):
        manifest = build_bundle(export, tmp_path / str(number), targets=("tensorrt-rtx",)).manifest
        assert all(size > 10_000 for size in sizes(manifest).values())
        shallow = SHALLOW in manifest.components
        assert shallow == (name in STEP_CACHE and "denoiser" in manifest.components)


# the second has the graphs of the first with other weights
@pytest.mark.parametrize("name", ["demo", pytest.param("demo-b", marks=pytest.mark.exhaustive)])
def test_a_demo_model_is_compiled(name: str, tmp_path: Path) -> None:
    export_checkpoint(checkpoint(name), tmp_path / "export", options=ExportOptions(step_cache=1))
    built = sizes(build_bundle(tmp_path / "export", tmp_path / "bundle", targets=("tensorrt-rtx",)).manifest)
    assert {*built} == {"text_encoder", "denoiser", "denoiser_shallow", "vae_decoder", "vae_encoder"}
    assert all(size > 1_000_000 for size in built.values())
