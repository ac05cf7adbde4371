"""An export becomes a quantised one, a bundle is built of it, and TensorRT for RTX compiles its graph."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import latentlink
from latentlink.bench.studies.faulty_bundles import copy_bundle
from latentlink.calibration.formats import FORMATS
from latentlink.calibration.quantise import calibrate_export
from latentlink.calibration.quantise_options import CalibrationOptions
from latentlink.engine.build import build_bundle
from latentlink.engine.builders import BuildOptions, Job, open_on_cpu
from latentlink.engine.builders.openvino import build_engine as build_openvino
from latentlink.engine.bundle import Bundle, read_probes
from latentlink.engine.graphs import graphs_of
from latentlink.engine.quality import Quality
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.engine.targets import TARGETS, this_machine
from latentlink.engine.targets.openvino_engine import OpenVinoEngine
from latentlink.errors import BuildError, BundleError, UsageError

if TYPE_CHECKING:
    from tests.conftest import Alone

# one worker waits for nobody
pytestmark = pytest.mark.xdist_group("calibrated")

OPTIONS = CalibrationOptions(precision="int8", prompts=("a cat", "a red dog"), count=2, steps=4, threads=1)


@pytest.fixture(scope="session")
def calibrated(tiny_export: Path, shared: Path, alone: Alone) -> Path:
    """A folder with the tiny export calibrated to int8 and, from there, to float8."""
    out = shared / "calibrated"
    with alone(shared / "calibrated.lock"):
        if not (out / "fp8").is_dir():
            calibrate_export(tiny_export, out / "int8", OPTIONS)
            calibrate_export(out / "int8", out / "fp8", replace(OPTIONS, precision="fp8"))
    return out


def test_the_quantised_graph_comes_first_and_the_float32_one_stays(calibrated: Path, tiny_export: Path) -> None:
    manifest = Bundle.open(calibrated / "int8").manifest
    quantised, plain = manifest.components["denoiser"].engines
    assert (quantised.precision, plain.precision) == ("int8", "float32")
    quality = Quality.of_parity(quantised.parity)
    assert quality is not None
    assert not quality.shortfall_summary()
    assert quality.pictures == 8
    assert len(quality.cosines) >= 4
    assert len(manifest.sampling.ranges) > 1
    before = Bundle.open(tiny_export).manifest
    assert before.files.items() <= manifest.files.items()
    data = (f"{engine.path}.data" for engine in (quantised, plain))
    small, large = (manifest.files[path].size for path in data)
    assert small < 0.6 * large  # a quarter of the weights stays float32, and so do vectors


def test_what_was_interim_is_gone(calibrated: Path) -> None:
    assert sorted(path.name for path in calibrated.iterdir()) == ["fp8", "int8"]


def test_a_bundle_of_it_draws_what_float32_draws_and_keeps_its_figures(
    calibrated: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    manifest = build_bundle(calibrated / "int8", tmp_path / "bundle").manifest
    (engine,) = manifest.components["denoiser"].engines
    assert engine.precision == "int8"
    assert Quality.of_parity(engine.parity) is not None
    pictures = []
    for bundle in (tmp_path / "bundle", tiny_bundle):
        with latentlink.load(bundle) as pipe:
            made = pipe.generate("a blue bird", seed=3, steps=4, guard="off").images[0]
            pictures.append(np.asarray(made, np.float64))
    error = float(np.mean((pictures[0] - pictures[1]) ** 2))
    assert 0 < error < 255**2 / 10**2  # 20 dB


def test_float8_is_measured_on_the_processor_too(calibrated: Path) -> None:
    engines = Bundle.open(calibrated / "fp8").manifest.components["denoiser"].engines
    assert [engine.precision for engine in engines] == ["float8", "int8", "float32"]
    quality = Quality.of_parity(engines[0].parity)
    assert quality is not None
    assert not quality.shortfall_summary()


@pytest.mark.parametrize(
    ("asked", "found", "others"),
    [
        (None, "float8", "float32"),
        ("fp8", "float8", "float32"),
        ("int8", "int8", "float32"),
        ("int8+bf16", "int8+bfloat16", "bfloat16"),
        ("fp32", "float32", "float32"),
    ],
)
def test_a_build_takes_the_graph_of_the_precision_that_is_asked(
    calibrated: Path, tmp_path: Path, asked: str | None, found: str, others: str
) -> None:
    source = Bundle.open(calibrated / "fp8")
    graphs = graphs_of(source, "denoiser", asked, tmp_path / "scratch")
    assert [graph.precision for graph in graphs] == [found]
    (plain,) = graphs_of(source, "vae_decoder", asked, tmp_path / "scratch")
    assert plain.precision == others


@pytest.mark.parametrize("target", ["ort-cpu", "tensorrt-rtx"])
def test_what_is_around_int8_is_lowered_by_openvino_alone(calibrated: Path, tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match=rf"{target} does not compute in int8\+bfloat16, as denoiser would"):
        build_bundle(
            calibrated / "int8", tmp_path / "no", targets=(target,), options=BuildOptions(precision="int8+bf16")
        )


def test_what_is_around_int8_is_bfloat16_but_for_the_timestep(calibrated: Path, tmp_path: Path) -> None:
    source = Bundle.open(calibrated / "int8")
    entry = source.manifest.components["denoiser"]
    probes = read_probes(source.file(source.manifest.probes["denoiser"]), entry.inputs, entry.outputs)
    psnr = []
    for precision in ("int8", "int8+bfloat16"):
        out = tmp_path / precision / "model.xml"
        out.parent.mkdir()
        build_openvino(
            Job(
                target="openvino-cpu",
                component="denoiser",
                precision=precision,
                source=source.file(entry.engines[0].path),
                out=out,
                inputs=entry.inputs,
                outputs=entry.outputs,
            )
        )
        with open_on_cpu(out, "openvino-cpu") as run:
            found = probes.check(run, precision)
        assert found.sufficient, found.summary()
        psnr.append(found.psnr)
    assert out.read_text().count('<attribute name="precise" version="0" />') > 4
    angles = set(re.findall(r'<layer id="\d+" name="(\d+)" type="(?:Sin|Cos)"', out.read_text()))
    compiled = OpenVinoEngine(out, 1).compile_for(
        {name: array.shape for name, array in probes.probes[0].inputs.items()}
    )
    nodes = [node.get_rt_info() for node in compiled.request.get_compiled_model().get_runtime_model().get_ops()]
    computed = {name: node["runtimePrecision"].astype(str) for node in nodes for name in _names(node)}
    assert {computed[name] for name in angles} == {"f32"}
    if this_machine().instructions & {*TARGETS["openvino-cpu"].instructions["bfloat16"]}:
        assert "bf16" in computed.values()
        assert psnr[0] != psnr[1]
    # bfloat16 adds less than the codes do
    assert psnr[1] > psnr[0] - 3


def _names(node: Any) -> list[str]:
    """Nodes of the engine's file that a compiled node stands for."""
    names: str = node["originalLayersNames"].astype(str)
    return names.split(",")


def test_weights_with_another_name_on_the_disk_are_refused_at_the_start(calibrated: Path, tmp_path: Path) -> None:
    shutil.copytree(calibrated / "int8", tmp_path / "linked")
    path = Bundle.open(tmp_path / "linked").manifest.components["denoiser"].engines[-1].path
    os.link(tmp_path / "linked" / f"{path}.data", tmp_path / "other")
    for work in (
        lambda: calibrate_export(tmp_path / "linked", tmp_path / "out", OPTIONS),
        lambda: build_bundle(tmp_path / "linked", tmp_path / "out"),
    ):
        with pytest.raises(BundleError, match=r"model\.onnx\.data of the export .*has 2 names on the disk"):
            work()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_tensorrt_rtx_compiles_the_same_graph(calibrated: Path, tmp_path: Path, precision: str) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    from latentlink.engine.builders.tensorrt import build_engine

    source = Bundle.open(calibrated / precision)
    entry = source.manifest.components["denoiser"]
    side = (source.manifest.sampling.width,) * 3
    shapes = PictureSizes(width=side, height=side, batch=(1, 1, 1))
    build_engine(
        Job(
            target="tensorrt-rtx",
            component="denoiser",
            precision=entry.engines[0].precision,
            source=source.file(entry.engines[0].path),
            out=tmp_path / "model.plan",
            inputs=entry.inputs,
            outputs=entry.outputs,
            limits=limits_of(source.manifest, "denoiser", shapes, every=True),
            options=BuildOptions(compute_capabilities=("8.9",)),
        )
    )
    assert (tmp_path / "model.plan").stat().st_size > 10_000


@pytest.mark.parametrize("edit", ["none", "low"])
def test_a_quantised_graph_without_good_figures_enters_no_bundle(calibrated: Path, tmp_path: Path, edit: str) -> None:
    folder = copy_bundle(calibrated / "int8", tmp_path / "edited", {})
    record = json.loads((folder / "manifest.json").read_bytes())
    engine = record["components"]["denoiser"]["engines"][0]
    if edit == "none":
        engine["parity"] = None
    else:
        engine["parity"]["gate_psnr"] = 12.0
    (folder / "manifest.json").write_text(json.dumps(record))
    says = "has no figures of picture quality" if edit == "none" else r"gate: PSNR 12\.0 dB, expected at least 25"
    with pytest.raises(BundleError, match=says):
        build_bundle(folder, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_what_was_interrupted_goes_on_and_below_the_gate_nothing_is_written(tiny_export: Path, tmp_path: Path) -> None:
    phases: list[str] = []

    def stop(phase: str, done: int, total: int) -> None:
        phases.append(phase)
        if phase == "observing histograms" and done == 9:
            raise KeyboardInterrupt

    coarse = replace(FORMATS["int8"], largest=3.0, weights=3.0)  # 3 bits
    with pytest.raises(KeyboardInterrupt):
        calibrate_export(tiny_export, tmp_path / "out", OPTIONS, target=coarse, on_phase=stop)
    assert phases.count("observing ranges") > 9
    again: list[tuple[str, int]] = []
    with pytest.raises(BuildError, match=r"does not reach the gate: .*The layers that lose most: \w+ \(") as refusal:
        calibrate_export(
            tiny_export,
            tmp_path / "out",
            OPTIONS,
            target=coarse,
            on_phase=lambda phase, done, total: again.append((phase, done)),
        )
    assert "building the reference" not in {phase for phase, _ in again}
    seen = [done for phase, done in again if phase.startswith("observing")]
    assert seen[0] == phases.count("observing ranges")  # that pass was whole
    assert seen[1] == 9  # the other had been written after eight
    assert not (tmp_path / "out").exists()
    assert "--observer" in refusal.value.remedy


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"precision": "int4"}, "Unknown precision 'int4'; expected one of: int8, fp8"),
        ({"observer": "none"}, "Unknown observer"),
        ({"prompts": ()}, "no prompt"),
        ({"count": 0}, "count is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        replace(OPTIONS, **change)  # type: ignore[arg-type]


def test_a_bundle_and_the_export_itself_are_refused(tiny_bundle: Path, tiny_export: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a bundle; expected an export"):
        calibrate_export(tiny_bundle, tmp_path / "out", OPTIONS)
    with pytest.raises(UsageError, match="is the export itself"):
        calibrate_export(tiny_export, tiny_export, OPTIONS)
    with pytest.raises(UsageError, match="no graph in int8; expected a calibrated one"):
        build_bundle(tiny_export, tmp_path / "out", options=BuildOptions(precision="int8"))
