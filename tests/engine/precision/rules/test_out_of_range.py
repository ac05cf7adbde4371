"""Constants that float16 cannot hold: masks are limited to it, what computes with others stays wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
import pytest

from latentlink.engine.precision import convert
from latentlink.engine.precision.rules.out_of_range import LARGE, SMALL, out_of_range

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Claimed, Compute, Read

ATTENTION = """(float[2,3] x, bool[2,3] seen) => (float[2,3] y)
    <float zero = {0}, float lowest = {-3.4028234663852886e38}>
    { mask = Where(seen, zero, lowest)  scores = Add(x, mask)  y = Softmax(scores) }"""


@pytest.mark.parametrize(
    ("constant", "reason"), [("100000", LARGE), ("-70000", LARGE), ("0.00001", SMALL), ("65504", None), ("0", None)]
)
def test_a_factor_is_claimed_where_float16_cannot_hold_it(claimed: Claimed, constant: str, reason: str | None) -> None:
    text = f"(float[N] x) => (float[N] y) <float k = {{{constant}}}> {{ y = Mul(x, k) }}"
    assert claimed(out_of_range, text) == ({} if reason is None else {"y": reason})
    assert claimed(out_of_range, text, ir.DataType.BFLOAT16) == {}


@pytest.mark.parametrize(
    "body",
    [
        "mask = Where(seen, zero, lowest)  scores = Add(x, mask)  y = Softmax(scores)",
        "wide = Unsqueeze(lowest, axis)  mask = Where(seen, zero, wide)  scores = Add(x, mask)  y = Softmax(scores)",
        "scores = Add(x, lowest)  y = Softmax(scores)",
        "y = Clip(x, lowest)",
        "y = Max(x, lowest)",
    ],
)
def test_masks_and_bounds_are_not_claimed(claimed: Claimed, body: str) -> None:
    head = """(float[2,3] x, bool[2,3] seen) => (float[2,3] y)
        <float zero = {0}, float lowest = {-3.4028234663852886e38}, int64[1] axis = {0}>"""
    assert claimed(out_of_range, f"{head} {{ {body} }}") == {}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("s = Add(x, small)  y = Div(x, s)", "s y"),
        ("s = Max(x, small)  y = Div(x, s)", "s y"),
        ("s = Clip(x, small)  t = Sqrt(s)  u = Reciprocal(t)  y = Mul(x, u)", "s t u y"),
        ("s = Add(x, small)  t = Log(s)  y = Mul(t, x)", "s t"),
        ("s = Add(x, small)  y = Div(s, x)", "s"),
        ("s = Max(x, small)  y = Mul(s, x)", ""),
        ("s = Max(x, half)  y = Div(x, s)", ""),
    ],
)
def test_what_a_small_constant_keeps_from_zero_is_claimed_up_to_where_it_matters(
    claimed: Claimed, body: str, names: str
) -> None:
    head = "(float[N] x) => (float[N] y) <float small = {1e-15}, float half = {0.5}>"
    assert claimed(out_of_range, f"{head} {{ {body} }}") == dict.fromkeys(names.split(), SMALL)
    assert claimed(out_of_range, f"{head} {{ {body} }}", ir.DataType.BFLOAT16) == {}


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_mask_hides_what_it_hid_and_a_row_without_anything_to_see_has_no_nan(
    read: Read, compute: Compute, precision: str
) -> None:
    model = read(ATTENTION)
    x, seen = np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.array([[True, True, False], [False] * 3])
    wanted = compute(model, x, seen)[0]
    convert(model, precision)
    fill = model.graph.initializers["lowest"].const_value
    assert fill is not None
    assert np.isfinite(fill.numpy().astype(np.float64))
    convert(model, "float32")
    found = compute(model, x, seen)[0]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], wanted[0], atol=2**-8)


def test_what_leaves_a_node_of_large_numbers_is_limited_and_not_infinite(read: Read, compute: Compute) -> None:
    model = read(
        """(float[1,2] x) => (float[1,2] y) <float k = {1000000}, float[2,2] turn = {0, 0.5, 0.5, 0}>
        { turned = MatMul(x, turn)  large = Mul(turned, k)  y = MatMul(large, turn) }"""
    )
    report = convert(model, "float16")
    assert [(kept.operator, kept.reason) for kept in report.kept] == [("Mul", LARGE)]
    found = [compute(model, np.array([[1, small]], np.float32))[0] for small in (-1, 0.001)]
    np.testing.assert_allclose(found, [[[32752, -32752]], [[32752, 250]]], rtol=2 * 2**-11)
