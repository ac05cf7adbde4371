"""Rule: the arithmetic between the ports and the network.

The sampler's update, guidance and blending add numbers of unlike sizes a few dozen times to one and the same latent,
and a VAE's affine and 8-bit rounding are exact to a level. Next to the network all of it costs nothing.

Requires: ports named by symbols.
Ensures: claimed is what computes from latents, pictures, masks, coefficients, guidance and conditions before the
network's first product, and what computes after its last one; that is where the exporter casts, too. Text and tokens
are the network's own from the start, and so are its results where they are only moved to an output.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import SHAPE_READERS, above, below, computes, is_learned, moves, nodes_of
from latentlink.engine.precision.rule import Claims
from latentlink.errors import SymbolError
from latentlink.ports import Port

REASON = "arithmetic outside the network"

NETWORK = ("text", "tokens")
"""Kinds of ports that a network reads as they are."""


def outside(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim them."""
    learned = [node for node in nodes_of(model) if is_learned(node)]
    inside, feeding = below(learned), above(learned)
    given = [value for value in model.graph.inputs if _kind(value) not in (*NETWORK, None)]

    def leads(node: ir.Node) -> bool:
        return node not in inside and node.op_type not in SHAPE_READERS

    readers = [use.node for value in given for use in value.uses() if leads(use.node)]
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
