"""Other weights, the same graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from latentlink.bench.gpu.perturb import write_perturbed

DRAWN = np.random.default_rng(0)
INITIALISERS = {
    "weight": DRAWN.standard_normal((6, 4, 3, 3)),
    "bias": DRAWN.standard_normal(6),
    "half": DRAWN.standard_normal(4),
    "twice": np.array([1, 1, 2, 2]),
    "epsilon": np.array([1e-5]),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """`Resize(Conv(x + half, weight, bias), twice) + epsilon`, its larger weight beside it."""
    nodes = [
        helper.make_node("Cast", ["half"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "wide"], ["y"]),
        helper.make_node("Conv", ["y", "weight", "bias"], ["z"]),
        helper.make_node("Resize", ["z", "", "twice"], ["large"]),
        helper.make_node("Add", ["large", "epsilon"], ["out"]),
    ]
    tensors = [
        numpy_helper.from_array(array.astype(np.float16 if name == "half" else np.float32), name)
        for name, array in INITIALISERS.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 4, 5, 4])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["B", 6, 6, 4])
    model = helper.make_model(
        helper.make_graph(nodes, "small", [x], [out], tensors), opset_imports=[helper.make_opsetid("", 20)]
    )
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="beside", size_threshold=256)
    return tmp_path / "model.onnx"


def test_every_weight_changes_a_little_and_everything_else_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    count = write_perturbed(source, tmp_path / "other" / "model.onnx")

    assert count == 3
    before, after = (onnx.load(path) for path in (source, tmp_path / "other" / "model.onnx"))
    assert [*after.graph.node] == [*before.graph.node]
    assert [*after.graph.input, *after.graph.output] == [*before.graph.input, *before.graph.output]
    arrays = [{t.name: numpy_helper.to_array(t) for t in model.graph.initializer} for model in (before, after)]
    for name, old in arrays[0].items():
        new = arrays[1][name]
        assert new.dtype == old.dtype
        apart = np.linalg.norm(new - old) / np.linalg.norm(old)
        assert 0.005 < apart < 0.05 if name in ("weight", "bias", "half") else apart == 0


def test_equal_seeds_write_equal_weights(source: Path, tmp_path: Path) -> None:
    written = []
    for folder, seed in (("one", 0), ("two", 0), ("three", 1)):
        (tmp_path / folder).mkdir()
        write_perturbed(source, tmp_path / folder / "model.onnx", seed=seed)
        weight = ir.load(tmp_path / folder / "model.onnx").graph.initializers["weight"].const_value
        assert weight is not None
        written.append(weight.numpy().copy())
    assert np.array_equal(written[0], written[1])
    assert not np.array_equal(written[0], written[2])
