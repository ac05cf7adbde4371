"""Directories of plain graphs in Optimum's layout become typed components."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import latentlink
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle
from latentlink.export.exporter import export_checkpoint
from latentlink.export.recipes.options import Options


def test_an_imported_model_makes_the_latents_of_the_checkpoint_it_was_exported_from(
    tiny_onnx: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    manifest = export_checkpoint(tiny_onnx, tmp_path / "export", options=Options(space="tiny"))
    print({k: v.engines[0].parity for k, v in manifest.components.items()})
    build_bundle(tmp_path / "export", tmp_path / "bundle")
    with latentlink.load(tmp_path / "bundle") as imported, latentlink.load(tiny_bundle) as direct:
        for prompts, count in (("a red circle", 3), ("a red circle (on blue:1.3)", 1)):
            a, b = (
                pipe.generate(prompts, negative_prompt="green", seed=5, steps=6, width=24, height=16, num_images=count)
                for pipe in (imported, direct)
            )
            assert np.linalg.norm(a.latents.array - b.latents.array) / np.linalg.norm(b.latents.array) < 1e-5
