"""Rule: sines and cosines, and the nodes that compute their arguments, stay in float32.

A timestep up to 999 times a frequency is an angle of some hundred turns. bfloat16 has 8 significant bits and float16
has 11: little is left of the fraction of a turn, and only that fraction matters. The same applies to guidance scales,
picture sizes and the positions of rotary embeddings (Su et al., 2021).

Requires: a topologically sorted graph, as `widen` leaves it.
Ensures: all nodes from ports, constants and shapes to a Sin or Cos are claimed, and the nodes that move its results to
the first node that computes with them. Sines of a network's own activations are not claimed.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import above, computes, is_float, is_learned, moves, nodes_of, varying
from latentlink.engine.precision.rules.rule import Claims

TIMESTEP = "timestep embedding"
POSITION = "position table"


def angles(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim the nodes: those that read a port are a timestep embedding, the others are a position table."""
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
