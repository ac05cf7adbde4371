"""Rule: sines and cosines of numbers, and what computes their arguments.

A timestep up to 999 times a frequency is an angle of some hundred turns, of which bfloat16 keeps 8 bits and float16
11: little of the fraction of a turn is left, and that is all that matters. The same holds of guidance scales, picture
sizes and the positions of rotary embeddings (Su et al., 2021).

Requires: a graph in order, as `widen` left it.
Ensures: claimed is whatever leads from ports, constants and shapes to a Sin or Cos, and what moves its results to the
first node that computes with them. A network that takes sines of its own activations is left alone.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import above, computes, is_float, is_learned, moves, nodes_of, varying
from latentlink.engine.precision.rule import Claims

TIMESTEP = "timestep embedding"
POSITION = "position table"


def angles(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim them; those that read a port are a timestep's, the others are positions."""
    ports = set(model.graph.inputs)
    claims: dict[ir.Node, str] = {}
    for node in nodes_of(model):
        if node.op_type not in ("Sin", "Cos") or not computes(node):
            continue
        arguments = above([node])
        if not any(is_learned(one) for one in arguments):
            reads = any(value in ports and is_float(value) for one in arguments for value in one.inputs)
            claims |= dict.fromkeys(arguments, TIMESTEP if reads else POSITION)
    for node in nodes_of(model):
        reasons = [claims.get(one) if (one := value.producer()) else None for value in varying(node)]
        if reasons and moves(node) and not is_learned(node) and None not in reasons:
            claims.setdefault(node, str(reasons[0]))
    return claims
