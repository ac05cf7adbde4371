"""Angles: what leads to a sine or cosine of numbers stays wide, up to the first node that computes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentlink.engine.precision.rules.angles import POSITION, TIMESTEP, angles

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Claimed


def test_a_timestep_is_wide_from_the_port_to_the_first_product(claimed: Claimed) -> None:
    found = claimed(
        angles,
        """(float[N] COEFFICIENTS) => (float[N,3] y)
        <float[1,2] frequencies = {1, 0.1}, int64[1] axis = {1}, ones[4,3] weights>
        { column = Unsqueeze(COEFFICIENTS, axis)  arguments = Mul(column, frequencies)
          sines = Sin(arguments)  cosines = Cos(arguments)  joined = Concat<axis = 1>(sines, cosines)
          y = MatMul(joined, weights) }""",
    )
    assert found == dict.fromkeys(("column", "arguments", "sines", "cosines", "joined"), TIMESTEP)


def test_positions_are_counted_in_float32_and_their_table_is_moved_in_it(claimed: Claimed) -> None:
    found = claimed(
        angles,
        """(float[N,L,2] LATENT) => (float[N,L,2] y)
        <int64 zero = {0}, int64 one = {1}, float[1,2] frequencies = {1, 0.1}, int64[1] axis = {1}>
        { length = Shape<start = 1, end = 2>(LATENT)  count = Squeeze(length)  numbers = Range(zero, count, one)
          positions = Cast<to = 1>(numbers)  column = Unsqueeze(positions, axis)
          arguments = Mul(column, frequencies)  table = Cos(arguments)  y = Mul(LATENT, table) }""",
    )
    assert found == dict.fromkeys(("positions", "column", "arguments", "table"), POSITION)


def test_sines_of_activations_are_left_to_the_network(claimed: Claimed) -> None:
    found = claimed(
        angles,
        """(float[N,4] LATENT) => (float[N,4] y) <ones[4,4] weights>
        { x = MatMul(LATENT, weights)  y = Sin(x) }""",
    )
    assert found == {}
