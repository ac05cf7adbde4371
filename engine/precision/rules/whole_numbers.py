"""Rule: numbers that are cast to integers or truth values stay in float32.

A number that is cast, such as the distance by which relative positions are looked up (Raffel et al., 2020), changes by
one if it is rounded to the other side of an integer.

Requires: nothing.
Ensures: every cast from a floating-point type to another kind is claimed, and the nodes between the network's last
product and the cast.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import above, computes, is_float, is_learned, nodes_of
from latentlink.engine.precision.rules.rule import Claims

REASON = "number that becomes a whole one"


def whole_numbers(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim the nodes."""
    casts = [node for node in nodes_of(model) if node.op_type == "Cast" and is_float(node.inputs[0])]
    casts = [node for node in casts if (made := node.outputs[0].dtype) is not None and not made.is_floating_point()]
    return dict.fromkeys(above(casts, lambda node: computes(node) and not is_learned(node)), REASON)
