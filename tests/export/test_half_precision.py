"""Half precision where a network joins what it computes in with what stays float32."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.engine.bundle import Bundle
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint
from tests.export.checkpoints.optimum_layout import write_optimum_layout


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_network_that_is_told_of_sizes_exports_in_float16(tmp_path: Path) -> None:
    checkpoint = make_checkpoint("tiny-sdxl", tmp_path / "checkpoint")
    options = ExportOptions(space="sdxl", dtype="float16", without=("vae_decoder", "vae_encoder"))
    manifest = export_checkpoint(checkpoint, tmp_path / "export", options=options)
    engine = manifest.components["denoiser"].engines[0]
    assert engine.precision == "float16"
    assert engine.parity
    # 11 significant bits through a shallow network
    assert float(engine.parity["relative"]) < 1e-2


def vae_of(checkpoint: Path, out: Path) -> Path:
    """A checkpoint that has a VAE and nothing else."""
    shutil.copytree(checkpoint / "vae", out / "vae")
    index = json.loads((checkpoint / "model_index.json").read_text())
    (out / "model_index.json").write_text(json.dumps({"vae": index["vae"]}))
    return out


@pytest.mark.exhaustive
@pytest.mark.slow
def test_plain_graphs_in_half_precision_stay_in_it_and_a_vae_that_overflows_is_taken_in_float32(
    tiny: Path, tmp_path: Path
) -> None:
    half = write_optimum_layout(tiny, tmp_path / "half", dtype="float16")
    options = ExportOptions(dtype="float16", space="tiny")
    with pytest.raises(CheckpointError, match=r"vae_encoder/model\.onnx is in float16, but the model needs float32"):
        export_checkpoint(half, tmp_path / "export", options=options)
    full = write_optimum_layout(vae_of(tiny, tmp_path / "vae"), tmp_path / "full")
    for folder in ("vae_decoder", "vae_encoder"):
        shutil.rmtree(half / folder)
        shutil.move(full / folder, half / folder)
    export_checkpoint(half, tmp_path / "export", options=options)
    components = Bundle.open(tmp_path / "export").manifest.components
    found = {name: entry.engines[0].precision for name, entry in components.items()}
    halves = dict.fromkeys(("vae_decoder", "vae_encoder"), "float32")
    assert found == {"text_encoder": "float16", "denoiser": "float16"} | halves
