"""Rule: the statistics of normalisations stay in float32.

A mean of squares over ten thousand elements exceeds float16's range if an element exceeds 256, and a small eps is lost
in a variance. An operator that computes its statistics in float32 itself (`stash_type` 1 of LayerNormalization,
GroupNormalization and RMSNormalization) can be in half precision.

Requires: a topologically sorted graph, as `widen` leaves it.
Ensures: the other normalising operators are claimed; and of a normalisation that is written out, the sums, the squares
and differences that are summed, the square roots that follow, and the node that applies them.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import NORMALISATIONS, computes, nodes_of, varying
from latentlink.engine.precision.rules.rule import Claims

REASON = "normalisation statistics"

# fmt: off
SUMS = frozenset({
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceSum", "ReduceSumSquare",
})
BEFORE_SUMS = frozenset({"Abs", "Exp", "Mul", "Pow", "Sub"})
"""Operators that may come directly before a sum of statistics."""

STASH_TYPE_OPERATORS = frozenset({
    "GroupNormalization", "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization",
})
# fmt: on
AFFINE = frozenset({"BatchNormalization"})
"""Operators whose statistics are constants."""


def normalisation(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim the nodes."""
    claimed: dict[ir.Node, None] = {}
    statistics: set[ir.Value] = set()
    for node in nodes_of(model):
        if not computes(node):
            continue
        inputs = varying(node)
        if node.op_type in NORMALISATIONS - AFFINE and not _is_wide_inside(node):
            claimed[node] = None
        elif node.op_type in SUMS:
            squares = [one for value in inputs if (one := value.producer()) and one.op_type in BEFORE_SUMS]
            claimed |= dict.fromkeys((*squares, node))
            statistics |= set(node.outputs)
        elif inputs and any(value in statistics for value in inputs):
            claimed[node] = None
            if all(value in statistics for value in inputs):
                statistics |= set(node.outputs)
    return dict.fromkeys(claimed, REASON)


def _is_wide_inside(node: ir.Node) -> bool:
    """Whether an operator computes its statistics in float32 whatever it reads, and no node reads them."""
    stash = node.attributes.get("stash_type")
    alone = sum(bool(value.uses()) for value in node.outputs) <= 1
    return node.op_type in STASH_TYPE_OPERATORS and alone and (stash is None or stash.as_int() == ir.DataType.FLOAT)
