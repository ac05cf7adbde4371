"""Retyping: types follow from the nodes, casts stand once where two meet, ports do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import pytest

from latentlink.engine.precision.retype import retype
from latentlink.engine.precision.widen import widen

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Compute, Read

FLOAT, HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def narrowed(model: ir.Model, *kept: str) -> ir.Model:
    """The model in float16, but for the nodes that make these values."""
    widen(model)
    retype(model, HALF, float32_nodes=[node for node in model.graph if node.outputs[0].name in kept])
    return model


def casts(model: ir.Model) -> list[tuple[str | None, ir.DataType | None]]:
    """What is cast, to which type."""
    return [
        (node.inputs[0].name, node.outputs[0].dtype)
        for node in model.graph
        if node.op_type == "Cast" and node.inputs[0] is not None
    ]


def test_a_value_that_many_read_is_cast_once_for_them_all(read: Read, compute: Compute) -> None:
    model = narrowed(read("(float[2] x) => (float[2] y) { a = Neg(x)  b = Exp(x)  c = Add(a, x)  y = Add(b, c) }"))
    assert casts(model) == [("x", HALF), ("y__float16", FLOAT)]
    compute(model, np.ones(2, np.float32))


def test_casts_stand_only_at_the_borders_of_what_is_kept(read: Read, compute: Compute) -> None:
    text = "(float[2] x) => (float[2] y) { a = Neg(x)  b = Exp(a)  c = Log(b)  d = Neg(c)  y = Neg(c) }"
    model = narrowed(read(text), "b", "c")
    assert casts(model) == [("x", HALF), ("a", FLOAT), ("c", HALF), ("y__float16", FLOAT)]
    compute(model, np.ones(2, np.float32))


def test_a_kept_node_beside_the_ports_needs_no_cast(read: Read) -> None:
    model = narrowed(read("(float[2] x) => (float[2] y) { a = Neg(x)  y = Exp(a) }"), "a", "y")
    assert casts(model) == []


def test_a_constant_is_converted_and_one_that_two_types_read_is_kept_in_both(read: Read, compute: Compute) -> None:
    model = narrowed(
        read(
            """(float[2] x) => (float[2] y) <float[2] k = {1, 2}, float[2] m = {3, 4}>
            { a = Mul(x, k)  b = Add(a, m)  y = Mul(b, k) }"""
        ),
        "a",
    )
    found = {name: value.dtype for name, value in model.graph.initializers.items()}
    assert found == {"k": FLOAT, "k__float16": HALF, "m": HALF}
    np.testing.assert_array_equal(compute(model, np.ones(2, np.float32))[0], [4, 12])


def test_scales_of_a_resize_stay_float32(read: Read, compute: Compute) -> None:
    model = narrowed(
        read(
            """(float[1,1,2,2] x) => (float[1,1,4,4] y) <float[4] scales = {1, 1, 2, 2}>
            { y = Resize<mode = "nearest">(x, , scales) }"""
        )
    )
    assert model.graph.initializers["scales"].dtype == FLOAT
    compute(model, np.ones((1, 1, 2, 2), np.float32))


def test_shapes_are_read_of_what_is_there_without_a_cast(read: Read) -> None:
    model = narrowed(read("(float[N] x, float[1] z) => (float[N] y) { n = Shape(x)  a = Expand(z, n)  y = Neg(a) }"))
    assert ("x", HALF) not in casts(model)


def test_an_output_that_is_read_inside_keeps_its_name_and_type(read: Read, compute: Compute) -> None:
    model = narrowed(
        read("(float[2] x) => (float[2] a, float16[2] y) { a = Neg(x)  b = Exp(a)  y = Cast<to = 10>(b) }")
    )
    assert [(value.name, value.dtype) for value in model.graph.outputs] == [("a", FLOAT), ("y", HALF)]
    assert [array.dtype for array in compute(model, np.ones(2, np.float32))] == [np.float32, np.float16]


@pytest.mark.parametrize("operator", ["ConstantOfShape<value = float[1] {7}>(length)", "Cast<to = 1>(length)"])
def test_what_makes_numbers_from_whole_ones_makes_them_narrow(read: Read, compute: Compute, operator: str) -> None:
    model = narrowed(
        read(f"(float[7] x) => (float[7] y) <int64[1] length = {{7}}> {{ a = {operator}  y = Add(x, a) }}")
    )
    assert next(node for node in model.graph if node.outputs[0].name == "a").outputs[0].dtype == HALF
    np.testing.assert_array_equal(compute(model, np.zeros(7, np.float32))[0], np.full(7, 7))
