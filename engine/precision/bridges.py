"""Rule: nodes between float32 nodes stay in float32 too.

Requires: a topologically sorted graph, and the nodes that the other rules claimed.
Ensures: every other node is claimed that reads only float32 nodes and ports and is read only by such: in half precision
it would round, and need two casts, without benefit. Learned nodes are not claimed, nor are nodes without such a
neighbour.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from latentlink.engine.precision.graph import above, below, computes, is_float, is_learned, nodes_of, varying

REASON = "between nodes in float32"


def bridges(model: ir.Model, claims: Collection[ir.Node]) -> list[ir.Node]:
    """The nodes to claim in addition to `claims`."""
    nodes = [node for node in nodes_of(model) if computes(node) and node not in claims and not is_learned(node)]
    wide = {*claims, *nodes}
    # Assume that all nodes are bridges, and remove those that are not: downwards those that read other nodes, then
    # upwards those that other nodes read, until no more is found.
    changed = True
    while changed:
        changed = False
        for ordered, is_fit in ((nodes, _reads), (nodes[::-1], _is_read)):
            for node in ordered:
                if node in wide and not is_fit(node, wide):
                    wide.remove(node)
                    changed = True
    readers = [use.node for value in model.graph.inputs for use in value.uses()]
    adjacent = {**below([*claims, *readers], wide.__contains__), **above(claims, wide.__contains__)}
    return [node for node in nodes if node in wide and node in adjacent]


def _reads(node: ir.Node, wide: Collection[ir.Node]) -> bool:
    """Whether a node reads float32 only: from nodes in `wide`, or from ports."""
    return all(
        value.producer() in wide if value.producer() is not None else value.dtype == ir.DataType.FLOAT
        for value in varying(node)
    )


def _is_read(node: ir.Node, wide: Collection[ir.Node]) -> bool:
    """Whether only nodes in `wide` and float32 ports read a node's results."""
    return all(
        value.dtype == ir.DataType.FLOAT and all(use.node in wide or not computes(use.node) for use in value.uses())
        for value in node.outputs
        if is_float(value)
    )
