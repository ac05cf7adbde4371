"""Bridges: what lies between wide nodes is wide, so that nothing is cast down and up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentlink.engine.precision.bridges import bridges
from latentlink.engine.precision.widen import widen

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Read


def test_a_chain_between_kept_nodes_is_claimed_whole(read: Read) -> None:
    assert _bridged(read, kept={"a", "d"}) == {"b", "c"}


def test_a_chain_that_something_narrow_reads_or_feeds_is_not(read: Read) -> None:
    assert _bridged(read, kept={"a"}) == set()
    assert _bridged(read, kept={"d"}) == set()


def test_what_is_learned_is_not(read: Read) -> None:
    assert _bridged(read, kept={"a", "d"}, between="MatMul(b, weights)") == set()


def test_what_touches_nothing_that_is_kept_is_not(read: Read) -> None:
    model = read(
        """(bool[3,3] seen) => (bool[3,3] y) <float one = {1}, int64[2] shape = {3, 3}>
        { ones = Expand(one, shape)  below = Trilu(ones)  hidden = Equal(below, one)  y = And(seen, hidden) }"""
    )
    widen(model)
    assert bridges(model, []) == []


def _bridged(read: Read, kept: set[str], between: str = "Neg(b)") -> set[str | None]:
    model = read(
        f"""(float[N,4] x) => (float[N,4] y) <ones[4,4] weights>
        {{ first = MatMul(x, weights)  a = Exp(first)  b = Relu(a)  c = {between}  d = Exp(c)
          y = MatMul(d, weights) }}"""
    )
    widen(model)
    nodes = [node for node in model.graph if node.outputs[0].name in kept]
    return {node.outputs[0].name for node in bridges(model, nodes)}
