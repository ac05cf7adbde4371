"""Rule: arithmetic between the ports and the network stays in float32.

The sampler's update, guidance and blending add numbers of different magnitudes to the same latent a few dozen times,
and a VAE's affine and 8-bit rounding have to be exact to one level. Compared with the network this costs no time.

Requires: ports named by symbols.
Ensures: all nodes are claimed that compute from latents, pictures, masks, coefficients, guidance and conditions before
the network's first product, or after its last one; the exporter places its casts there too. Text and tokens belong to
the network from the start, and so do results that are only moved to an output.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import SHAPE_READERS, above, below, computes, is_learned, moves, nodes_of
from latentlink.engine.precision.rules.rule import Claims
from latentlink.errors import SymbolError
from latentlink.ports import Port

REASON = "arithmetic outside the network"

NETWORK = ("text", "tokens")
"""Kinds of ports that the network reads directly."""


def outside(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim the nodes."""
    learned = [node for node in nodes_of(model) if is_learned(node)]
    inside, feeding = below(learned), above(learned)
    inputs = [value for value in model.graph.inputs if _kind(value) not in (*NETWORK, None)]

    def leads(node: ir.Node) -> bool:
        return node not in inside and node.op_type not in SHAPE_READERS

    readers = [use.node for value in inputs for use in value.uses() if leads(use.node)]
    before = [node for node in below(readers, leads) if computes(node)]
    after = {node for node in nodes_of(model) if computes(node) and node not in feeding}
    computing = [node for node in nodes_of(model) if node in after and not moves(node)]
    around = (*above(computing, after.__contains__), *below(computing, after.__contains__))
    return dict.fromkeys((*before, *around), REASON)


def _kind(value: ir.Value) -> str | None:
    try:
        return Port.parse(value.name or "").kind
    except SymbolError:
        return None
