"""Rule: operators that are not defined for half precision, or that add up as they go.

Requires: nothing.
Ensures: claimed is every node of such an operator, and every node of a branch or a loop: what a subgraph computes in
is said by the graph around it.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import computes, nodes_of
from latentlink.engine.precision.rule import Claims

UNDEFINED = "operator without half precision"
RUNNING = "running sum"
BRANCH = "branch or loop"

OPERATORS = {
    ir.DataType.FLOAT16: {"CumSum": RUNNING, "Range": UNDEFINED},
    ir.DataType.BFLOAT16: {"CumSum": RUNNING, "Range": UNDEFINED, "Einsum": UNDEFINED},
}
"""By the type that is missing, as of opset 22."""


def no_half(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim them."""
    claims: dict[ir.Node, str] = {}
    for node in nodes_of(model):
        inside = node.graph is not model.graph or any(
            attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
            for attribute in node.attributes.values()
        )
        if computes(node) and (inside or node.op_type in OPERATORS[low]):
            claims[node] = BRANCH if inside else OPERATORS[low][node.op_type]
    return claims
