"""Rule: nodes with constants that float16 cannot hold stay in float32.

Such constants are above 65,504, or so small that they lose bits.

Requires: a graph as `widen` leaves it.
Ensures: every node that computes with such a constant is claimed; small numbers in an array with larger ones may become
0. Attention masks and the bounds of Clip, Min and Max are not claimed: the largest number of float16 serves the same
purpose, and they become that. Results of nodes with a large constant are clamped to float16's range (`retype`). Where a
small constant keeps a number from 0, as in `x / (x + 1e-15)`, what would be infinite at 0 is claimed with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from latentlink.engine.precision.graph import is_float, moves, nodes_of
from latentlink.engine.precision.rules.rule import Claims
from latentlink.engine.precision.tensors import original, read

LARGE = "constant above float16's range"
SMALL = "constant below float16's range"

HIGHEST, LOWEST = 65504.0, 2.0**-14
"""The largest number of float16, and the smallest with all 11 significant bits."""

BOUNDS = {"Clip": (1, 2), "Max": (0, 1), "Min": (0, 1), "Where": (1, 2)}
"""By operator, the operands that select or limit, and are not computed with."""


SINGULAR = {"Div": (1,), "Log": (0,), "Pow": (0,), "Reciprocal": (0,), "Sqrt": (0,)}
"""By operator, the operands that a small constant may keep from 0, and whose result has to stay as exact."""


def out_of_range(model: ir.Model, low: ir.DataType) -> Claims:
    """Claim the nodes; none for bfloat16, which has float32's range."""
    claims: dict[ir.Node, str] = {}
    if low != ir.DataType.FLOAT16:
        return claims
    constants = [value for graph in model.graphs() for value in graph.initializers.values()]
    fills = [(node.outputs[0], node) for node in nodes_of(model) if node.op_type == "ConstantOfShape"]
    for value in constants:
        if is_float(value) and (reason := _misfit(value.const_value)) and not _fills(value):
            claims |= {use.node: reason for use in value.uses()}
    for value, node in fills:
        fill = node.attributes.get("value")
        if fill is not None and is_float(value) and (reason := _misfit(fill.as_tensor())) and not _fills(value):
            claims[node] = reason
    return claims | _kept_from_zero(constants)


def _kept_from_zero(constants: Iterable[ir.Value]) -> dict[ir.Node, str]:
    """The nodes between small constants and what would be infinite without them."""
    claims: dict[ir.Node, str] = {}
    small = (value for value in constants if is_float(value) and _misfit(value.const_value) == SMALL)
    waiting = [use.node for value in small for use in value.uses()]
    while waiting:
        node = waiting.pop()
        for use in (use for value in node.outputs for use in value.uses()):
            applies = node.op_type == "Reciprocal" and use.node.op_type == "Mul"
            if applies or use.idx in SINGULAR.get(use.node.op_type, ()):
                claims |= {node: SMALL, use.node: SMALL}
                waiting.append(use.node)
    return claims


def _misfit(tensor: ir.TensorProtocol | None) -> str | None:
    """Why float16 cannot hold a constant; None if it can. It can hold infinities."""
    if tensor is None:
        return None
    source = original(tensor)
    if source.dtype == ir.DataType.FLOAT16 or source.size == 0:
        return None
    largest = read(source, _largest)
    if largest > HIGHEST:
        return LARGE
    return SMALL if source.size == 1 and 0 < largest < LOWEST else None


def _largest(array: NDArray[Any]) -> float:
    """The largest finite absolute value."""
    largest = max(abs(float(array.max())), abs(float(array.min())))
    if not math.isfinite(largest):
        largest = float(np.abs(array[np.isfinite(array)].astype(np.float64)).max(initial=0))
    return largest


def _fills(value: ir.Value) -> bool:
    """Whether all readers of a value use it as a bound or as an attention mask."""
    return all(_is_bound(use.node, use.idx) or _masks(use.node) or _moves_fill(use.node) for use in value.uses())


def _is_bound(node: ir.Node, index: int) -> bool:
    return index in BOUNDS.get(node.op_type, ())


def _moves_fill(node: ir.Node) -> bool:
    return moves(node) and all(_fills(value) for value in node.outputs)


def _masks(node: ir.Node) -> bool:
    """Whether a node's sum is read by softmaxes only."""
    readers = [use.node.op_type for value in node.outputs for use in value.uses()]
    return node.op_type == "Add" and bool(readers) and set(readers) == {"Softmax"}
