"""The graphs that engines are built from: converted where that is asked for, and wide ones for references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx_ir as ir
import pytest

from latentlink.bench.studies.faulty_bundles import copy_bundle
from latentlink.engine.build import build_bundle
from latentlink.engine.builders import BuildOptions
from latentlink.engine.bundle import Bundle, read_probes, write_bundle
from latentlink.engine.graphs import graphs_of, reference_graph
from latentlink.engine.precision import convert
from latentlink.engine.sizes import PictureSizes
from latentlink.runtime.probing.verify import verify


@pytest.fixture
def in_bfloat16(tiny_export: Path, tmp_path: Path) -> Path:
    """The export with a VAE decoder in bfloat16, which ONNX Runtime does not compute in on the processor."""
    folder = copy_bundle(tiny_export, tmp_path / "bf16", {})
    manifest = Bundle.open(folder).manifest
    entry = manifest.components["vae_decoder"]
    path = folder / entry.engines[0].path
    model = ir.load(tiny_export / entry.engines[0].path)
    convert(model, "bfloat16")
    ir.save(model, path, external_data=f"{path.name}.data")
    engine = replace(entry.engines[0], precision="bfloat16", parity=None)
    (folder / "manifest.json").unlink()
    write_bundle(
        folder, replace(manifest, components={**manifest.components, "vae_decoder": replace(entry, engines=(engine,))})
    )
    return folder


def test_a_build_in_half_precision_passes_its_probes_and_says_what_stayed(tiny_export: Path, tmp_path: Path) -> None:
    report = build_bundle(tiny_export, tmp_path / "half", options=BuildOptions(precision="fp16"))
    manifest, reports = report.manifest, report.conversions
    precisions = {name: entry.engines[0].precision for name, entry in manifest.components.items()}
    assert precisions["denoiser"] == precisions["text_encoder"] == "float16"
    assert reports["denoiser"].kept
    # its config does not say that it fits
    assert precisions["vae_decoder"] == precisions["vae_encoder"] == "float32"
    assert "float16 may overflow" in reports["vae_decoder"].summary()
    assert [row.verdict for row in verify(Bundle.open(tmp_path / "half"))] == ["passed"] * 4
    assert not (tmp_path / "half" / "scratch").exists()


def test_only_the_first_graph_is_converted_and_none_is_there_twice(tiny_export: Path, tmp_path: Path) -> None:
    source = Bundle.open(tiny_export)
    (same,) = graphs_of(source, "denoiser", None, tmp_path / "same")
    assert not same.converted
    (half,) = graphs_of(source, "denoiser", "bf16", tmp_path / "half")
    assert (half.converted, half.precision, half.parity) == (True, "bfloat16", None)
    (asked,) = graphs_of(source, "denoiser", "fp32", tmp_path / "asked")
    assert asked == same


def test_references_of_a_graph_in_bfloat16_are_made_by_the_same_graph_in_float32(
    in_bfloat16: Path, tiny_export: Path, tmp_path: Path
) -> None:
    assert reference_graph(Bundle.open(in_bfloat16), "vae_decoder", tmp_path / "wide").precision == "float32"
    sizes = PictureSizes(width=(24, 24, 24), height=(16, 16, 16))
    made = {}
    for export in (in_bfloat16, tiny_export):
        bundle = tmp_path / f"{export.name}-bundle"
        manifest = build_bundle(export, bundle, targets=("ort-cuda",), sizes=sizes).manifest
        entry = manifest.components["vae_decoder"]
        probes = read_probes(bundle / manifest.probes["vae_decoder"], entry.inputs, entry.outputs)
        assert probes.reference == "onnx"
        made[export] = probes.probes[0].outputs[entry.outputs[0].tensor].astype(int)
    difference = abs(made[in_bfloat16] - made[tiny_export])
    assert 0 < difference.max() <= 40  # levels of 8 bits: the weights were rounded to 8 significant bits
    assert difference.mean() < 4
