"""Floating-point operations of one run of a graph, counted from its shapes: what products need, whoever computes them.

A multiply-add is two operations. Only products are counted, as only they meet the peak that they are compared with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from latentlink.engine.passes.fuse_attention import fuse_attention
from latentlink.errors import UsageError

if TYPE_CHECKING:
    import onnx_ir as ir

NodeShapes: TypeAlias = list[list[int]]
"""Of a node's inputs, and of its first output at the end."""


def _conv(node: ir.Node, shapes: NodeShapes) -> int:
    # the weight is [out, in / groups, *kernel]
    return 2 * math.prod(shapes[-1]) * math.prod(shapes[1][1:])


def _matmul(node: ir.Node, shapes: NodeShapes) -> int:
    return 2 * math.prod(shapes[-1]) * shapes[0][-1]


def _gemm(node: ir.Node, shapes: NodeShapes) -> int:
    transposed = node.attributes.get_int("transA", 0)
    return 2 * math.prod(shapes[-1]) * shapes[0][0 if transposed else 1]


def _attention(node: ir.Node, shapes: NodeShapes) -> int:
    # queries [N, L, heads * width] with keys [N, M, heads * width], their scores with values [N, M, heads * width]
    (rows, queries, width), (_, keys, _), (_, _, values) = shapes[:3]
    return 2 * rows * queries * keys * (width + values)


PRODUCTS: Mapping[str, Callable[[Any, NodeShapes], int]] = {
    "Conv": _conv,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "MultiHeadAttention": _attention,
}
"""What is counted, by operator; attention that is written out is counted as the last."""

UNCOUNTED = frozenset(
    {
        *("ConvTranspose", "Einsum", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
        *("Attention", "GroupQueryAttention", "DeformConv", "LSTM", "GRU", "RNN", "If", "Loop", "Scan"),
    }
)
"""Operators that hold products which would be missed."""


def count_flops(path: Path, sizes: Mapping[str, int]) -> Counter[str]:
    """Operations of one run of an exported graph.

    Args:
        path: ONNX; its weights are not read.
        sizes: Of the graph's free dimensions, by name.

    Returns:
        Operations by operator, a key of `PRODUCTS`; their sum is that of the run.

    Raises:
        UsageError: A product's sizes are not known, or an operator is not counted.
    """
    import onnx_ir as ir

    model = ir.load(path)
    fuse_attention(model)
    found: Counter[str] = Counter()
    for node in model.graph:
        if node.op_type in UNCOUNTED:
            raise UsageError(f"{path.name} has the operator {node.op_type}; expected {', '.join(PRODUCTS)}.")
        if node.op_type in PRODUCTS:
            read = [value for value in node.inputs if value is not None]
            shapes = [_shape(value, sizes, node) for value in (*read, node.outputs[0])]
            found[node.op_type] += PRODUCTS[node.op_type](node, shapes)
    return found


def _shape(value: ir.Value, sizes: Mapping[str, int], node: ir.Node) -> list[int]:
    dims = [] if value.shape is None else [*value.shape.evaluate(sizes)]
    known = [dim for dim in dims if isinstance(dim, int)]
    if value.shape is None or len(known) < len(dims):
        raise UsageError(
            f"The sizes of {value.name!r} in {node.name!r} ({node.op_type}) are {value.shape}; expected sizes that "
            f"follow from {', '.join(sizes)}."
        )
    return known
