"""Every kind of denoiser that Optimum exports, imported and compared with the checkpoint's own export."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import latentlink
from latentlink.bench.optimum_layout import write_optimum_layout
from latentlink.bench.random_checkpoint import make_checkpoint
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle
from latentlink.errors import CheckpointError
from latentlink.export.exporter import export_checkpoint
from latentlink.export.options import Options


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("tiny-sdxl", "sdxl"),
        pytest.param("tiny-lcm", "sd", marks=pytest.mark.exhaustive),
        pytest.param("tiny-sd3", "sd3", marks=pytest.mark.exhaustive),
        pytest.param("tiny-flux-dev", "flux1", marks=pytest.mark.exhaustive),
    ],
)
def test_an_imported_model_makes_the_latents_of_its_checkpoint(name: str, space: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(name, tmp_path / name)
    graphs = write_optimum_layout(
        checkpoint, tmp_path / "onnx", hidden_states=not name.startswith(("tiny-lcm", "tiny-flux"))
    )
    latents = []
    for number, source in enumerate((checkpoint, graphs)):
        export_checkpoint(source, tmp_path / f"export{number}", options=Options(space=space))
        build_bundle(tmp_path / f"export{number}", tmp_path / f"bundle{number}")
        with latentlink.load(tmp_path / f"bundle{number}") as pipe:
            done = pipe.generate("a red circle", seed=5, steps=3, width=128, height=64, num_images=2, guard="off")
            latents.append(done.latents.array)
    # float32 on both sides, three steps
    assert np.linalg.norm(latents[0] - latents[1]) / np.linalg.norm(latents[0]) < 1e-5


@pytest.mark.slow
def test_graphs_in_half_precision_stay_in_it_and_a_vae_that_overflows_is_taken_in_float32(
    tiny: Path, tmp_path: Path
) -> None:
    half = write_optimum_layout(tiny, tmp_path / "half", dtype="float16")
    options = Options(dtype="float16", space="tiny")
    with pytest.raises(CheckpointError, match=r"vae_encoder/model\.onnx is in float16, but the model needs float32"):
        export_checkpoint(half, tmp_path / "export", options=options)
    full = write_optimum_layout(tiny, tmp_path / "full")
    for folder in ("vae_decoder", "vae_encoder"):
        shutil.rmtree(half / folder)
        shutil.move(full / folder, half / folder)
    export_checkpoint(half, tmp_path / "export", options=options)
    components = Bundle.open(tmp_path / "export").manifest.components
    found = {name: entry.engines[0].precision for name, entry in components.items()}
    halves = dict.fromkeys(("vae_decoder", "vae_encoder"), "float32")
    assert found == {"text_encoder": "float16", "denoiser": "float16"} | halves
