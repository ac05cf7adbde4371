"""The sampler's arithmetic: what is before the first product and after the last one stays wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentlink.engine.precision.rules.outside import outside

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Claimed


def test_an_update_around_a_network_is_claimed_and_the_network_is_not(claimed: Claimed) -> None:
    found = claimed(
        outside,
        """(float[N,4] LATENT, float[N,1] COEFFICIENTS) => (float[N,4] y) <ones[4,4] weights, ones[4] bias>
        { scaled = Mul(COEFFICIENTS, LATENT)  product = MatMul(scaled, weights)  biased = Add(product, bias)
          active = Relu(biased)  last = MatMul(active, weights)  shifted = Add(last, bias)
          moved = Mul(COEFFICIENTS, shifted)  y = Add(LATENT, moved) }""",
    )
    assert set(found) == {"scaled", "moved", "y"}


def test_text_is_the_networks_own(claimed: Claimed) -> None:
    found = claimed(
        outside,
        """(float[N,4] TEXT) => (float[N,4] y) <ones[8,4] weights>
        { both = Concat<axis = 1>(TEXT, TEXT)  y = MatMul(both, weights) }""",
    )
    assert found == {}


def test_results_that_are_only_moved_on_stay_narrow_and_those_that_are_computed_with_do_not(claimed: Claimed) -> None:
    text = """(float[N,4] LATENT) => (float[4,N] y) <ones[4,4] weights, float two = {2}>
        { product = MatMul(LATENT, weights)  moved = Transpose(product)  y = %s }"""
    assert claimed(outside, text % "Identity(moved)") == {}
    assert set(claimed(outside, text % "Mul(moved, two)")) == {"moved", "y"}


def test_a_picture_is_prepared_in_float32(claimed: Claimed) -> None:
    found = claimed(
        outside,
        """(uint8[N,H,W,3] image__srgb__c3__uint8__62a9c702) => (float[N,3,H,W] y)
        <ones[3,3,1,1] weights, float levels = {255}>
        { turned = Transpose<perm = [0, 3, 1, 2]>(image__srgb__c3__uint8__62a9c702)  numbers = Cast<to = 1>(turned)
          parts = Div(numbers, levels)  y = Conv(parts, weights) }""",
    )
    assert set(found) == {"numbers", "parts"}


def test_rows_of_a_table_are_learned(claimed: Claimed) -> None:
    found = claimed(
        outside,
        """(int64[N,7] tokens__a__l7__int64__45617a8e) => (float[N,7,4] y) <ones[9,4] table, ones[4,4] weights>
        { rows = Gather(table, tokens__a__l7__int64__45617a8e)  y = MatMul(rows, weights) }""",
    )
    assert found == {}
