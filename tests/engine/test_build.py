"""Exports to bundles: what is written, what is read back from the engines, what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx
import pytest

from latentlink.bench.studies.faulty_bundles import copy_bundle
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle, read_probes
from latentlink.engine.sizes import PictureSizes, parse_range
from latentlink.engine.targets import preflight
from latentlink.errors import BundleError, UsageError
from latentlink.runtime.probing.verify import verify
from latentlink.runtime.sessions import open_session


def test_every_engine_has_the_ports_that_the_manifest_declares(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    for component in bundle.manifest.components.values():
        (engine,) = component.engines
        assert engine.target == "ort-cpu"
        assert preflight(engine) is None
        session = open_session(bundle.file(engine.path), engine.target)
        assert [p.tensor for p in session.inputs] == [p.tensor for p in component.inputs]
        assert [p.tensor for p in session.outputs] == [p.tensor for p in component.outputs]
        session.close()
        session.close()


def test_weights_lie_beside_the_graph_to_be_mapped(tiny_bundle: Path) -> None:
    manifest = Bundle.open(tiny_bundle).manifest
    sizes = {path: file.size for path, file in manifest.files.items() if "denoiser" in path}
    assert sizes["engines/denoiser/ort-cpu/model.onnx.data"] > 0.5 * sum(sizes.values())


def test_a_bundle_is_the_same_when_it_is_built_again(tiny_export: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    build_bundle(tiny_export, tmp_path / "again")
    assert Bundle.open(tmp_path / "again").manifest == Bundle.open(tiny_bundle).manifest


def test_an_engine_that_does_not_agree_with_its_probes_is_not_put_in_the_bundle(
    tiny_export: Path, tmp_path: Path
) -> None:
    def twice(model: onnx.ModelProto) -> None:
        (name,) = (value.name for value in model.graph.output)
        for node in model.graph.node:
            node.output[:] = [f"{name}.half" if output == name else output for output in node.output]
        model.graph.node.append(onnx.helper.make_node("Add", [f"{name}.half", f"{name}.half"], [name]))

    wrong = copy_bundle(tiny_export, tmp_path / "wrong", {"vae_encoder": twice})
    with pytest.raises(BundleError, match=r"No engine of vae_encoder for ort-cpu agrees with its probes: PSNR .* dB"):
        build_bundle(wrong, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["wrong"]


def test_engines_of_a_fixed_size_are_checked_at_that_size(tiny_export: Path, tmp_path: Path) -> None:
    build_bundle(tiny_export, tmp_path / "fixed", sizes=PictureSizes(width=(24, 24, 24), height=(16, 16, 16)))
    bundle = Bundle.open(tmp_path / "fixed")
    decoder = bundle.manifest.components["vae_decoder"]
    probes = read_probes(bundle.file(bundle.manifest.probes["vae_decoder"]), decoder.inputs, decoder.outputs)
    assert {probe.outputs[decoder.outputs[0].tensor].shape for probe in probes.probes} == {(1, 16, 24, 3)}
    assert [row.verdict for row in verify(bundle)] == ["passed"] * 4


def test_a_bundle_is_not_built_from_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a bundle already"):
        build_bundle(tiny_bundle, tmp_path / "out")


def test_an_export_is_not_loaded_as_a_bundle(tiny_export: Path) -> None:
    import latentlink

    with pytest.raises(UsageError, match="latentlink build"):
        latentlink.load(tiny_export)


def test_a_size_that_the_model_cannot_have_is_refused(tiny_export: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="multiple of 2"):
        build_bundle(tiny_export, tmp_path / "out", sizes=PictureSizes(width=(17, 17, 17)))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("text", "range_"), [("512", (512, 512, 512)), ("256:512:1024", (256, 512, 1024))])
def test_a_range_is_one_number_or_three_in_order(text: str, range_: tuple[int, int, int]) -> None:
    assert parse_range(text) == range_


@pytest.mark.parametrize("text", ["", "0", "-1", "1:2", "3:2:1", "a", "1:2:3:4", "1.5"])
def test_any_other_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_range(text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"targets": "ort-cpu"}, "targets is 'ort-cpu'; expected a list of texts"),
        ({"targets": ()}, "targets is empty; expected at least one"),
        ({"targets": ("ort_cpu",)}, "Did you mean 'ort-cpu'?"),
        ({"sizes": (64, 64)}, "sizes is (64, 64); expected PictureSizes"),
        ({"options": {"refit": True}}, "options is {'refit': True}; expected BuildOptions"),
        ({"out": "demo"}, "'demo' is the name of a bundle that comes with latentlink"),
        ({"out": b"out"}, "out is b'out'; expected a path"),
        ({"export": None}, "export is None; expected a path"),
    ],
)
def test_an_argument_of_another_type_is_refused(tmp_path: Path, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        build_bundle(**{"export": "demo", "out": tmp_path / "out", **arguments})


@pytest.mark.parametrize("size", [64, (64, 32, 16), (64,) * 4, (0, 1, 2), (1.0, 2.0, 3.0), (1, 2, 10**6), "512"])
def test_sizes_that_are_no_three_numbers_in_order_are_refused(size: Any) -> None:
    with pytest.raises(UsageError, match="width"):
        PictureSizes(width=size)
