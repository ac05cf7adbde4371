"""Rule: what lies between nodes that stay in float32.

Requires: a graph in order, and what the other rules claimed.
Ensures: claimed is every other node that reads nothing but float32 from such nodes or ports and is read by nothing
else: it would round, and cast twice, for nothing. What is learned is left alone, and so is what touches neither.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from latentlink.engine.precision.graph import above, below, computes, is_float, is_learned, nodes_of, varying

REASON = "between nodes in float32"


def bridges(model: ir.Model, kept: Collection[ir.Node]) -> list[ir.Node]:
    """The nodes to add to `kept`."""
    nodes = [node for node in nodes_of(model) if computes(node) and node not in kept and not is_learned(node)]
    wide = {*kept, *nodes}
    # Assume that all are, then strike out what is not: first what reads other things, downwards, then what is read by
    # others, upwards, until neither finds one.
    struck = True
    while struck:
        struck = False
        for ordered, is_fit in ((nodes, _reads), (nodes[::-1], _is_read)):
            for node in ordered:
                if node in wide and not is_fit(node, wide):
                    wide.remove(node)
                    struck = True
    readers = [use.node for value in model.graph.inputs for use in value.uses()]
    touched = {**below([*kept, *readers], wide.__contains__), **above(kept, wide.__contains__)}
    return [node for node in nodes if node in wide and node in touched]


def _reads(node: ir.Node, wide: Collection[ir.Node]) -> bool:
    """Whether what a node reads is float32: from one of `wide`, or a port."""
    return all(
        value.producer() in wide if value.producer() is not None else value.dtype == ir.DataType.FLOAT
        for value in varying(node)
    )


def _is_read(node: ir.Node, wide: Collection[ir.Node]) -> bool:
    """Whether whatever reads a node's results is one of `wide`, or a port of float32."""
    return all(
        value.dtype == ir.DataType.FLOAT and all(use.node in wide or not computes(use.node) for use in value.uses())
        for value in node.outputs
        if is_float(value)
    )
