"""Floating-point operations of one run of a graph, counted from the shapes of its products.

A multiply-add counts as two operations. Only products are counted, as they are compared with the peak of products.
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
"""Shapes of a node's inputs, then of its first output."""


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
"""Operations by operator; attention in separate nodes is counted as `MultiHeadAttention`."""

UNCOUNTED = frozenset(
    {
        *("ConvTranspose", "Einsum", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
        *("Attention", "GroupQueryAttention", "DeformConv", "LSTM", "GRU", "RNN", "If", "Loop", "Scan"),
    }
)
"""Operators with products that would be missed."""


def count_flops(path: Path, sizes: Mapping[str, int]) -> Counter[str]:
    """Operations of one run of an exported graph.

    Args:
        path: ONNX file; its weights are not read.
        sizes: Sizes of the graph's free dimensions, by name.

    Returns:
        Operations by operator, a key of `PRODUCTS`; their sum is the total of a run.

    Raises:
        UsageError: Sizes of a product are unknown, or an operator cannot be counted.
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
