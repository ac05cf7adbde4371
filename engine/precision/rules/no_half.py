"""Rule: operators that are not defined for half precision, and running sums, stay in float32.

Requires: nothing.
Ensures: every node with such an operator is claimed, and every node of a branch or a loop, as the types of a subgraph
follow from the graph around it.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import computes, nodes_of
from latentlink.engine.precision.rules.rule import Claims

UNDEFINED = "operator without half precision"
RUNNING = "running sum"
BRANCH = "branch or loop"

OPERATORS = {
    ir.DataType.FLOAT16: {"CumSum": RUNNING, "Range": UNDEFINED},
    ir.DataType.BFLOAT16: {"CumSum": RUNNING, "Range": UNDEFINED, "Einsum": UNDEFINED},
}
"""Operators by the type that they lack, as of opset 22."""


def no_half(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim the nodes."""
    claims: dict[ir.Node, str] = {}
    for node in nodes_of(model):
        inside = node.graph is not model.graph or any(
            attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
            for attribute in node.attributes.values()
        )
        if computes(node) and (inside or node.op_type in OPERATORS[low]):
            claims[node] = BRANCH if inside else OPERATORS[low][node.op_type]
    return claims
