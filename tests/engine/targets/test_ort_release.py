"""The least release of ONNX Runtime that an engine needs."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from latentlink.engine.bundle import Bundle
from latentlink.engine.targets import Machine, preflight
from latentlink.engine.targets.ort_release import RELEASE, least_release
from latentlink.runtime import bundle_path


def graph(path: Path, *, opset: int = 20, ir_version: int = 10, domain: str = "", operator: str = "Relu") -> Path:
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    node = helper.make_node(operator, ["x"], ["y"], domain=domain)
    sets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    made = helper.make_model(helper.make_graph([node], "g", info[:1], info[1:]), opset_imports=sets)
    made.ir_version = ir_version
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("operator", ["QuickGelu", "MultiHeadAttention"])
def test_operators_that_older_releases_have_need_no_newer_one(operator: str, tmp_path: Path) -> None:
    assert least_release(graph(tmp_path / "a.onnx")) == RELEASE
    assert least_release(graph(tmp_path / "b.onnx", domain="com.microsoft", operator=operator)) == RELEASE


@pytest.mark.parametrize(
    "later",
    [
        {"opset": 23},
        {"ir_version": 12},
        {"domain": "com.microsoft", "operator": "LinearAttention"},
        {"domain": "com.microsoft.nchwc", "operator": "Conv"},
    ],
)
def test_anything_later_needs_the_release_that_built_it(later: dict[str, object], tmp_path: Path) -> None:
    assert least_release(graph(tmp_path / "a.onnx", **later)) == ort.__version__  # type: ignore[arg-type]


@pytest.mark.parametrize("bundle", ["demo", "demo-b", "demo-tiny"])
def test_shipped_engines_are_valid_with_the_release_that_gpus_have(bundle: str) -> None:
    gpu_package = Machine(os="linux", architecture="x86_64", versions={"onnxruntime-gpu": "1.31.1"})
    for entry in Bundle.open(bundle_path(bundle)).manifest.components.values():
        for engine in entry.engines:
            assert preflight(engine, gpu_package) is None
