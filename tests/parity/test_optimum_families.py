"""Every kind of denoiser that Optimum exports, imported and compared with the checkpoint's own export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import latentlink
from latentlink.engine.build import build_bundle
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint
from tests.export.checkpoints.optimum_layout import write_optimum_layout

if TYPE_CHECKING:
    from tests.parity.conftest import Made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "space"),
    [
        pytest.param("tiny-sdxl", "sdxl", marks=pytest.mark.xdist_group("tiny-sdxl")),
        pytest.param("tiny-lcm", "sd", marks=pytest.mark.exhaustive),
        pytest.param("tiny-sd3", "sd3", marks=pytest.mark.exhaustive),
        pytest.param("tiny-flux-dev", "flux1", marks=pytest.mark.exhaustive),
    ],
)
def test_an_imported_model_makes_the_latents_of_its_checkpoint(
    name: str, space: str, bundle_of: Callable[[str], Made], tmp_path: Path
) -> None:
    made = bundle_of(name)
    graphs = write_optimum_layout(
        made.checkpoint, tmp_path / "onnx", hidden_states=not name.startswith(("tiny-lcm", "tiny-flux"))
    )
    export_checkpoint(
        graphs, tmp_path / "export", options=ExportOptions(space=space, without=("vae_decoder", "vae_encoder"))
    )
    build_bundle(tmp_path / "export", tmp_path / "bundle")
    latents = []
    halves = {"vae_decoder": made.vae, "vae_encoder": made.vae}
    for bundle in (made.bundle, tmp_path / "bundle"):
        with latentlink.load(bundle, replace=halves) as pipe:
            done = pipe.generate("a red circle", seed=5, steps=3, width=128, height=64, num_images=2, guard="off")
            latents.append(done.latents.array)
    # float32 on both sides, three steps
    assert np.linalg.norm(latents[0] - latents[1]) / np.linalg.norm(latents[0]) < 1e-5
