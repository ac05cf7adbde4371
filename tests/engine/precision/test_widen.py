"""Widening: whatever a graph was, inside it is float32, and its ports are what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import pytest

from latentlink.engine.precision import convert
from latentlink.errors import BundleError

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Compute, Read


@pytest.mark.parametrize("dtype", [ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE])
def test_values_weights_and_fills_of_every_type_become_float32(
    read: Read, compute: Compute, dtype: ir.DataType
) -> None:
    model = read(
        f"""(float[2] x) => (float[2] y) <ones[2] weights, int64[1] length = {{2}}>
        {{ low = Cast<to = {dtype.value}>(x)  product = Mul(low, weights)
          fill = ConstantOfShape<value = float[1] {{3}}>(length)  sum = Add(product, fill)  y = Cast<to = 1>(sum) }}"""
    )
    weights = model.graph.initializers["weights"]
    weights.const_value = ir.tensor(np.array([1.5, 2]).astype(dtype.numpy()))
    weights.dtype = dtype
    fill = next(node for node in model.graph if node.op_type == "ConstantOfShape")
    fill.attributes["value"] = ir.AttrTensor("value", ir.tensor(np.array([3]).astype(dtype.numpy())))
    report = convert(model, "float32")
    assert report.summary() == "float32; 3 nodes"
    assert {value.dtype for node in model.graph for value in node.outputs} == {ir.DataType.FLOAT}
    assert [node.op_type for node in model.graph] == ["Mul", "ConstantOfShape", "Add"]
    np.testing.assert_array_equal(compute(model, np.array([1, 2], np.float32))[0], [4.5, 7])


def test_ports_of_float16_are_cast_at_once_and_at_last(read: Read, compute: Compute) -> None:
    model = read("(float16[2] x) => (float16[2] y) { a = Neg(x)  b = Exp(a)  y = Neg(b) }")
    convert(model, "float32")
    assert [node.op_type for node in model.graph] == ["Cast", "Neg", "Exp", "Neg", "Cast"]
    assert [value.dtype for value in (*model.graph.inputs, *model.graph.outputs)] == [ir.DataType.FLOAT16] * 2
    x = np.array([0.5, 1], np.float16)
    np.testing.assert_allclose(compute(model, x)[0], -np.exp(-x), rtol=2**-10)


def test_an_output_that_only_casts_an_input_stays(read: Read, compute: Compute) -> None:
    model = read("(float16[2] x) => (float[2] y, float[2] z) { y = Cast<to = 1>(x)  a = Neg(x)  z = Cast<to = 1>(a) }")
    convert(model, "float32")
    assert [value.name for value in model.graph.outputs] == ["y", "z"]
    y, z = compute(model, np.array([1, 2], np.float16))
    np.testing.assert_array_equal([y, z], [[1, 2], [-1, -2]])


def test_a_value_without_a_type_is_refused_by_name(read: Read) -> None:
    model = read("(float[2] x) => (float[2] y) { a = Unheard(x)  y = Neg(a) }")
    with pytest.raises(BundleError, match=r"does not tell the type of 'a' .*expected one for each"):
        convert(model, "float32")


def test_a_bfloat16_graph_is_understood_in_the_opset_it_was_exported_with(read: Read) -> None:
    model = read(
        """(float[1,1,4,4] x, float[1,1,1,1] w) => (float[1,1,4,4] y)
        { low = Cast<to = 16>(x)  weights = Cast<to = 16>(w)  made = Conv(low, weights)  y = Cast<to = 1>(made) }"""
    )
    convert(model, "float32")
    assert [node.op_type for node in model.graph] == ["Conv"]
