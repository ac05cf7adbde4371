"""Upsampling folded into convolutions: the same numbers as two nodes make, and nothing else is touched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from latentlink.engine.builders import open_on_cpu
from latentlink.engine.fold_upsampling import fold_upsampling
from latentlink.engine.job import Job
from latentlink.engine.openvino_builder import build_engine
from latentlink.ports import latent_port
from latentlink.spaces import LatentSpace

READS = latent_port(LatentSpace(name="one", channels=4, downscale=8)).at("x")
WRITES = latent_port(LatentSpace(name="one", channels=4, downscale=8))

NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}

# of the largest; float32: twice a sum of 36 products in another order
TOLERANCE = 1e-5


def upsampler(
    path: Path,
    *,
    scale: float = 2,
    resize: dict[str, Any] | None = None,
    conv: dict[str, Any] | None = None,
    between: bool = False,
    group: int = 1,
) -> Path:
    """A picture is made larger and convolved, its result by the same weights once more, without a bias."""
    numbers = np.random.default_rng(0)
    weights = numbers.standard_normal((4, 4 // group, 3, 3)).astype(np.float32)
    known = {"w": weights, "b": numbers.standard_normal(4).astype(np.float32), "s": np.float32([1, 1, scale, scale])}
    attributes = {**SAME, **(conv or {}), "group": group}
    nodes = [
        helper.make_node("Resize", [READS.tensor, "", "s"], ["large"], **{**NEAREST, **(resize or {})}),
        *([helper.make_node("Relu", ["large"], ["positive"])] if between else []),
        helper.make_node("Conv", ["positive" if between else "large", "w", "b"], ["first"], name="first", **attributes),
        helper.make_node("Conv", ["first", "w"], [WRITES.tensor], name="second", **SAME, group=group),
    ]
    ports = [
        helper.make_tensor_value_info(port.tensor, TensorProto.FLOAT, ["B", 4, "h", "w"]) for port in (READS, WRITES)
    ]
    graph = helper.make_graph(
        nodes, "g", ports[:1], ports[1:], [numpy_helper.from_array(value, name) for name, value in known.items()]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def ran(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {READS.tensor: x})[0]
    return found


def picture(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((2, 4, height, width)).astype(np.float32)


@pytest.mark.parametrize("group", [1, 2])
def test_four_convolutions_of_the_small_picture_make_the_same(tmp_path: Path, group: int) -> None:
    plain = upsampler(tmp_path / "plain.onnx", group=group)
    model = ir.load(plain)
    assert fold_upsampling(model) == 1
    assert [node.op_type for node in model.graph] == [*["Conv"] * 4, "Concat", "DepthToSpace", "Conv"]
    ir.save(model, tmp_path / "folded.onnx")
    onnx.checker.check_model(tmp_path / "folded.onnx", full_check=True)
    for size in ((1, 1), (3, 5), (8, 8)):
        x = picture(*size)
        wanted = ran(plain, x)
        assert np.abs(ran(tmp_path / "folded.onnx", x) - wanted).max() < TOLERANCE * np.abs(wanted).max()


@pytest.mark.parametrize(
    "changed",
    [
        {"scale": 3},
        {"resize": {"mode": "linear"}},
        {"resize": {"nearest_mode": "ceil"}},
        {"resize": {"coordinate_transformation_mode": "half_pixel"}},
        {"conv": {"pads": [0, 0, 0, 0]}},
        {"conv": {"pads": [2, 2, 2, 2], "dilations": [2, 2]}},
        {"conv": {"strides": [2, 2]}},
        {"between": True},
    ],
)
def test_anything_else_is_left_alone(tmp_path: Path, changed: dict[str, Any]) -> None:
    model = ir.load(upsampler(tmp_path / "plain.onnx", **changed))
    before = ir.to_proto(model).SerializeToString()
    assert fold_upsampling(model) == 0
    assert ir.to_proto(model).SerializeToString() == before


@pytest.mark.parametrize(("changed", "folded"), [({}, True), ({"scale": 3}, False), ({"between": True}, False)])
def test_openvino_engines_have_it_too(tmp_path: Path, changed: dict[str, Any], folded: bool) -> None:
    plain = upsampler(tmp_path / "plain.onnx", **changed)
    out = tmp_path / "engine" / "model.xml"
    out.parent.mkdir()
    build_engine(
        Job(
            target="openvino-cpu",
            component="upsampler",
            precision="float32",
            source=plain,
            out=out,
            inputs=(READS,),
            outputs=(WRITES,),
        )
    )
    kinds = re.findall(r'<layer id="\d+" name="\d+" type="(\w+)"', out.read_text())
    assert kinds.count("Convolution") == (5 if folded else 2)
    assert ("Interpolate" in kinds) != folded
    x = picture(3, 5)
    wanted = ran(plain, x)
    with open_on_cpu(out, "openvino-cpu") as run:
        assert np.abs(run({READS.tensor: x})[WRITES.tensor] - wanted).max() < TOLERANCE * np.abs(wanted).max()
