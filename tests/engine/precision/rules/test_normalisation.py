"""Normalisation: statistics stay wide, whether one operator computes them or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from latentlink.engine.precision import convert
from latentlink.engine.precision.rules.normalisation import normalisation

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Claimed, Compute, Read

SQUARES = """(float[N,4] x) => (float[N,4] y)
    <float two = {2}, float eps = {0.000001}, float[4] scale = {1, 2, 3, 4}, int64[1] axis = {1}>
    { square = Pow(x, two)  mean = ReduceMean(square, axis)  above = Add(mean, eps)  root = Sqrt(above)
      inverse = Reciprocal(root)  normal = Mul(x, inverse)  y = Mul(scale, normal) }"""


def test_a_root_mean_square_is_claimed_from_the_squares_to_where_it_is_applied(claimed: Claimed) -> None:
    found = set(claimed(normalisation, SQUARES))
    assert found == {"square", "mean", "above", "root", "inverse", "normal"}


def test_mean_and_variance_are_claimed_with_the_differences_between(claimed: Claimed) -> None:
    found = claimed(
        normalisation,
        """(float[N,4] x) => (float[N,4] y) <float two = {2}, float eps = {0.00001}, int64[1] axis = {1}>
        { active = Relu(x)  mean = ReduceMean(active, axis)  centred = Sub(active, mean)  square = Pow(centred, two)
          variance = ReduceMean(square, axis)  above = Add(variance, eps)  root = Sqrt(above)
          normal = Div(centred, root)  y = Relu(normal) }""",
    )
    assert set(found) == {"mean", "centred", "square", "variance", "above", "root", "normal"}


@pytest.mark.parametrize(
    ("operator", "kept"),
    [
        ("InstanceNormalization(x, scale, bias)", True),
        ("LayerNormalization(x, scale, bias)", False),
        ("LayerNormalization<stash_type = 1>(x, scale, bias)", False),
        ("LayerNormalization<stash_type = 16>(x, scale, bias)", True),
    ],
)
def test_an_operator_is_claimed_unless_its_statistics_are_wide_inside(
    claimed: Claimed, operator: str, kept: bool
) -> None:
    text = f"(float[N,4,4] x) => (float[N,4,4] y) <ones[4] scale, ones[4] bias> {{ y = {operator} }}"
    assert bool(claimed(normalisation, text)) is kept


def test_squares_beyond_float16_do_not_overflow(read: Read, compute: Compute) -> None:
    model = read(SQUARES)
    x = np.array([[300, -900, 4000, 12]], np.float32)  # squares of up to 16,000,000
    wanted = compute(model, x)[0]
    convert(model, "float16")
    # 11 significant bits, and four roundings
    np.testing.assert_allclose(compute(model, x)[0], wanted, rtol=4 * 2**-11)
