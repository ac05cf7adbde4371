"""Rule: the statistics of normalisations.

A mean of squares over some ten thousand elements leaves float16's range where an element passes 256, and a variance
loses what its small eps is for. An operator that computes its statistics in float32 by itself (`stash_type` 1 of
LayerNormalization, GroupNormalization and RMSNormalization) can be of half precision.

Requires: a graph in order, as `widen` left it.
Ensures: claimed are the other normalising operators, and, where one is written out, the sums, the squares and
differences that are summed, the square roots that follow, and the node that applies them.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import NORMALISATIONS, computes, nodes_of, varying
from latentlink.engine.precision.rule import Claims

REASON = "normalisation statistics"

# fmt: off
SUMS = frozenset({
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceSum", "ReduceSumSquare",
})
SUMMED = frozenset({"Abs", "Exp", "Mul", "Pow", "Sub"})
"""What may come right before a sum."""

STASHED = frozenset({
    "GroupNormalization", "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization",
})
# fmt: on
AFFINE = frozenset({"BatchNormalization"})
"""Whose statistics are constants."""


def normalisation(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim them."""
    claimed: dict[ir.Node, None] = {}
    statistics: set[ir.Value] = set()
    for node in nodes_of(model):
        if not computes(node):
            continue
        given = varying(node)
        if node.op_type in NORMALISATIONS - AFFINE and not _is_wide_inside(node):
            claimed[node] = None
        elif node.op_type in SUMS:
            squares = [one for value in given if (one := value.producer()) and one.op_type in SUMMED]
            claimed |= dict.fromkeys((*squares, node))
            statistics |= set(node.outputs)
        elif given and any(value in statistics for value in given):
            claimed[node] = None
            if all(value in statistics for value in given):
                statistics |= set(node.outputs)
    return dict.fromkeys(claimed, REASON)


def _is_wide_inside(node: ir.Node) -> bool:
    """Whether an operator computes its statistics in float32 whatever it reads, and gives none of them out."""
    stash = node.attributes.get("stash_type")
    alone = sum(bool(value.uses()) for value in node.outputs) <= 1
    return node.op_type in STASHED and alone and (stash is None or stash.as_int() == ir.DataType.FLOAT)
