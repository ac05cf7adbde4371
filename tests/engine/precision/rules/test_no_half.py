"""Operators without half precision, branches and running sums stay wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import pytest

from latentlink.engine.precision import convert
from latentlink.engine.precision.rules.no_half import BRANCH, RUNNING, UNDEFINED, no_half

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Claimed, Compute, Read

BRANCHES = """(float[1,2] x, bool chosen) => (float[1,2] y) <float[2,2] turn = {0, 1, 1, 0}, float half = {0.5}>
    { a = MatMul(x, turn)
      b = If (chosen) <then_branch = yes () => (float[1,2] one) { one = Mul(a, half) },
                       else_branch = no () => (float[1,2] two) { two = Relu(a) }>
      c = Add(b, half)  y = MatMul(c, turn) }"""


@pytest.mark.parametrize(
    ("operator", "low", "reason"),
    [
        ("CumSum(x, axis)", ir.DataType.FLOAT16, RUNNING),
        ("Range(first, last, step)", ir.DataType.FLOAT16, UNDEFINED),
        ('Einsum<equation = "i,i->i">(x, x)', ir.DataType.BFLOAT16, UNDEFINED),
        ('Einsum<equation = "i,i->i">(x, x)', ir.DataType.FLOAT16, None),
        ("Relu(x)", ir.DataType.BFLOAT16, None),
    ],
)
def test_an_operator_is_claimed_where_the_type_is_missing(
    claimed: Claimed, operator: str, low: ir.DataType, reason: str | None
) -> None:
    head = "(float[3] x) => (float[3] y) <int64 axis = {0}, float first = {0}, float last = {3}, float step = {1}>"
    assert claimed(no_half, f"{head} {{ y = {operator} }}", low) == ({} if reason is None else {"y": reason})


def test_what_a_branch_computes_stays_in_float32_and_what_is_around_it_does_not(read: Read, compute: Compute) -> None:
    model = read(BRANCHES)
    x = np.array([[1, -2]], np.float32)
    wanted = [compute(model, x, np.array(chosen))[0] for chosen in (True, False)]
    report = convert(model, "float16")
    assert {kept.reason for kept in report.kept} == {BRANCH}
    assert [node.outputs[0].dtype for node in model.graph if node.op_type == "Add"] == [ir.DataType.FLOAT16]
    for chosen, expected in zip((True, False), wanted, strict=True):
        np.testing.assert_array_equal(compute(model, x, np.array(chosen))[0], expected)
