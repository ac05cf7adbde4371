"""Rule: numbers that become whole ones.

What is cast to an integer or a truth value, such as the distances that relative positions are looked up by (Raffel et
al., 2020), jumps where it is rounded to the other side of a whole number.

Requires: nothing.
Ensures: claimed is every cast from a floating-point type to another kind, and what leads to it from the network's last
product.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import above, computes, is_float, is_learned, nodes_of
from latentlink.engine.precision.rule import Claims

REASON = "number that becomes a whole one"


def whole_numbers(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim them."""
    casts = [node for node in nodes_of(model) if node.op_type == "Cast" and is_float(node.inputs[0])]
    casts = [node for node in casts if (made := node.outputs[0].dtype) is not None and not made.is_floating_point()]
    return dict.fromkeys(above(casts, lambda node: computes(node) and not is_learned(node)), REASON)
