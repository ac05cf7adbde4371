"""Half precision where a network joins what it computes in with what stays float32."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentlink.bench.random_checkpoint import make_checkpoint
from latentlink.export.exporter import export_checkpoint
from latentlink.export.options import Options


@pytest.mark.slow
def test_a_network_that_is_told_of_sizes_exports_in_float16(tmp_path: Path) -> None:
    checkpoint = make_checkpoint("tiny-sdxl", tmp_path / "checkpoint")
    options = Options(space="sdxl", dtype="float16", without=("vae_decoder", "vae_encoder"))
    manifest = export_checkpoint(checkpoint, tmp_path / "export", options=options)
    engine = manifest.components["denoiser"].engines[0]
    assert engine.precision == "float16"
    assert engine.parity
    # 11 significant bits through a shallow network
    assert float(engine.parity["relative"]) < 1e-2
