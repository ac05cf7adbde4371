"""Tensors: converted when asked for, never kept, exact where the type can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from latentlink.engine.precision import convert
from latentlink.engine.precision.tensors import convert_tensor

HALF, BRAIN = ir.DataType.FLOAT16, ir.DataType.BFLOAT16


def test_numbers_are_rounded_to_nearest_and_none_is_infinite() -> None:
    numbers = np.array([1 + 2**-11, 1 + 3 * 2**-11, 1e6, -1e6, np.inf, 1e-9], np.float32)
    found = convert_tensor(ir.tensor(numbers), HALF).numpy()
    np.testing.assert_array_equal(found, np.array([1, 1 + 2**-9, 65504, -65504, 65504, 0], np.float16))


def test_the_lowest_float32_is_the_lowest_bfloat16() -> None:
    found = convert_tensor(ir.tensor(np.array([np.finfo(np.float32).min])), BRAIN).numpy()
    assert float(found[0]) == float(BRAIN.min)


def test_there_and_back_is_the_original_itself() -> None:
    tensor = ir.tensor(np.array([1 / 3], np.float32))
    assert convert_tensor(convert_tensor(tensor, HALF), ir.DataType.FLOAT) is tensor


def test_saving_a_converted_model_holds_one_tensor_at_a_time(tmp_path: Path) -> None:
    count, elements = 24, 1 << 18
    _write(tmp_path / "wide.onnx", count, elements)
    model = ir.load(tmp_path / "wide.onnx")
    convert(model, "float16")
    with _Held() as held:
        ir.save(model, tmp_path / "low.onnx", external_data="low.onnx.data")
    assert (tmp_path / "low.onnx.data").stat().st_size >= count * elements * 2
    # one tensor in both types and its bytes, out of 24
    assert held.most < 5 * elements * 4
    saved = ir.load(tmp_path / "low.onnx")
    found = saved.graph.initializers["w3"].const_value
    assert found is not None
    np.testing.assert_array_equal(found.numpy(), np.full(elements, 3, np.float16))


def _write(path: Path, count: int, elements: int) -> None:
    """A sum of x and `w0`, `w1`, .., each `elements` times its number, with the weights in a file."""
    x = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([elements]))
    weights = [
        ir.Value(
            name=f"w{number}",
            type=ir.TensorType(ir.DataType.FLOAT),
            shape=ir.Shape([elements]),
            const_value=ir.tensor(np.full(elements, number, np.float32), name=f"w{number}"),
        )
        for number in range(count)
    ]
    node = ir.node("Sum", [x, *weights])
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = "y", x.type, x.shape
    graph = ir.Graph([x], node.outputs, nodes=[node], initializers=weights, opset_imports={"": 20}, name="main")
    ir.save(ir.Model(graph, ir_version=10), path, external_data=f"{path.name}.data")


class _Held:
    """Bytes that numpy and Python held at most."""

    most = 0

    def __enter__(self) -> _Held:
        import tracemalloc

        tracemalloc.start()
        return self

    def __exit__(self, *args: object) -> None:
        import tracemalloc

        self.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
