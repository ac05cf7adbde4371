"""Upsampling folded into convolutions by OpenVINO's builder: the same numbers, and nothing else is touched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from latentlink.engine.builders import Job, open_on_cpu
from latentlink.engine.builders.openvino import build_engine
from latentlink.engine.targets.openvino_engine import OpenVinoEngine
from latentlink.ports import latent_port
from latentlink.spaces import LatentSpace

READS = latent_port(LatentSpace(name="one", channels=4, downscale=8)).at("x")
WRITES = latent_port(LatentSpace(name="one", channels=4, downscale=8))

NEAREST: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
SAME: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}

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
    bias, scales = numbers.standard_normal(4).astype(np.float32), np.array([1, 1, scale, scale], np.float32)
    known = {"w": weights, "b": bias, "s": scales}
    attributes: dict[str, Any] = {**SAME, **(conv or {}), "group": group}
    nodes = [
        helper.make_node("Resize", [READS.tensor, "", "s"], ["large"], **{**NEAREST, **(resize or {})}),
        *([helper.make_node("Relu", ["large"], ["positive"])] if between else []),
        helper.make_node("Conv", ["positive" if between else "large", "w", "b"], ["first"], name="first", **attributes),
        helper.make_node("Conv", ["first", "w"], [WRITES.tensor], name="second", **SAME, group=group),
    ]
    return saved(path, nodes, known)


def unet_end(path: Path) -> Path:
    """A picture is halved, rounded up, made as large as it was again and convolved, as in a UNet."""
    weights = np.random.default_rng(0).standard_normal((4, 4, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", [READS.tensor, "w"], ["small"], **SAME, strides=[2, 2]),
        helper.make_node("Shape", [READS.tensor], ["size"]),
        helper.make_node("Resize", ["small", "", "", "size"], ["large"], **NEAREST),
        helper.make_node("Conv", ["large", "w"], [WRITES.tensor], **SAME),
    ]
    return saved(path, nodes, {"w": weights})


def saved(path: Path, nodes: list[onnx.NodeProto], known: dict[str, NDArray[np.float32]]) -> Path:
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


def engine(folder: Path, source: Path, **fixed: int) -> Path:
    out = folder / "engine" / "model.xml"
    out.parent.mkdir(parents=True)
    build_engine(
        Job(
            target="openvino-cpu",
            component="upsampler",
            precision="float32",
            source=source,
            out=out,
            inputs=(READS,),
            outputs=(WRITES,),
            limits={dim: (size, size, size) for dim, size in fixed.items()},
        )
    )
    return out


def convolutions(path: Path) -> list[str]:
    return re.findall(
        r'<layer id="\d+" name="[\w.]+" type="(\w*Convolution|DepthToSpace|Interpolate)"', path.read_text()
    )


def test_four_convolutions_of_the_small_picture_make_the_same(tmp_path: Path) -> None:
    plain = upsampler(tmp_path / "plain.onnx")
    out = engine(tmp_path, plain)
    assert convolutions(out) == [*["Convolution"] * 4, "DepthToSpace", "Convolution"]
    with open_on_cpu(out, "openvino-cpu") as run:
        for size in ((1, 1), (3, 5), (8, 8)):
            x = picture(*size)
            wanted = ran(plain, x)
            assert np.abs(run({READS.tensor: x})[WRITES.tensor] - wanted).max() < TOLERANCE * np.abs(wanted).max()


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
        {"group": 2},
    ],
)
def test_anything_else_is_left_alone(tmp_path: Path, changed: dict[str, Any]) -> None:
    plain = upsampler(tmp_path / "plain.onnx", **changed)
    out = engine(tmp_path, plain)
    kinds = convolutions(out)
    assert kinds[0] == "Interpolate"
    assert [kind.removeprefix("Group") for kind in kinds[1:]] == ["Convolution"] * 2
    x = picture(4, 6)
    wanted = ran(plain, x)
    with open_on_cpu(out, "openvino-cpu") as run:
        assert np.abs(run({READS.tensor: x})[WRITES.tensor] - wanted).max() < TOLERANCE * np.abs(wanted).max()


FOLDED, PLAIN = [*["Convolution"] * 4, "DepthToSpace"], ["Interpolate", "Convolution"]
SIZES = ((6, 8), (5, 8), (5, 7), (1, 1))


def test_what_gets_the_size_of_another_picture_is_folded_where_that_is_the_double(tmp_path: Path) -> None:
    plain = unet_end(tmp_path / "plain.onnx")
    out = engine(tmp_path, plain)
    assert sorted(convolutions(out)) == sorted(["Convolution", *FOLDED, *PLAIN])
    with open_on_cpu(out, "openvino-cpu") as run:
        for size in SIZES:
            x = picture(*size)
            wanted = ran(plain, x)
            assert np.abs(run({READS.tensor: x})[WRITES.tensor] - wanted).max() < TOLERANCE * np.abs(wanted).max()


# OpenVINO 2026.4 computes some graphs with a choice wrongly in their first run, if compiled for free sizes
@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_an_engine_is_compiled_for_its_sizes_and_keeps_one_way(
    tmp_path: Path, size: tuple[int, int], low_memory: bool
) -> None:
    opened = OpenVinoEngine(engine(tmp_path, unet_end(tmp_path / "plain.onnx")), None, low_memory=low_memory)
    compiled = opened.compile_for({READS.tensor: (2, 4, *size)}).request.get_compiled_model()
    kinds = [node.get_rt_info()["layerType"].astype(str) for node in compiled.get_runtime_model().get_ops()]
    assert "If" not in kinds
    assert kinds.count("DepthToSpace") == (size == (6, 8))


@pytest.mark.parametrize(("fixed", "way"), [({"h": 6, "w": 8}, FOLDED), ({"h": 5, "w": 8}, PLAIN)])
def test_a_fixed_size_leaves_one_way_in_the_engine(tmp_path: Path, fixed: dict[str, int], way: list[str]) -> None:
    assert convolutions(engine(tmp_path, unet_end(tmp_path / "plain.onnx"), **fixed)) == ["Convolution", *way]


def test_equal_builds_give_equal_bytes(tmp_path: Path) -> None:
    plain = unet_end(tmp_path / "plain.onnx")
    first, second = (engine(tmp_path / number, plain) for number in "12")
    assert first.read_bytes() == second.read_bytes()
