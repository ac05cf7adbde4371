"""The words that the passes use of a graph: which nodes compute with floats, which are learned, what reaches what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import onnx_ir as ir

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})
"""Types that a precision is chosen for. float8 and smaller ones belong to a quantisation, and stay."""

SHAPE_READERS = frozenset({"Shape", "Size"})
"""Read how large a tensor is, never its numbers."""

# fmt: off
MOVERS = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Pad",
    "Reshape", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
    "Trilu", "Unsqueeze", "Where",
})
"""Move numbers and change none."""

PRODUCTS = frozenset({
    "Attention", "Conv", "ConvTranspose", "DeformConv", "Gemm", "GRU", "LSTM", "MatMul", "MultiHeadAttention", "RNN",
})
"""Sums of products: what a network is made of, and what half precision makes fast."""

NORMALISATIONS = frozenset({
    "BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization", "LpNormalization",
    "MeanVarianceNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization",
})
"""Normalisations that are one operator."""
# fmt: on


def is_float(value: ir.Value | None) -> bool:
    """Whether a value is of one of `FLOATS`."""
    return value is not None and value.dtype in FLOATS


def nodes_of(model: ir.Model) -> Iterator[ir.Node]:
    """Every node, those of subgraphs included."""
    return iter(ir.traversal.RecursiveGraphIterator(model.graph))


def computes(node: ir.Node) -> bool:
    """Whether a node reads or makes floating-point numbers."""
    reads = node.op_type not in SHAPE_READERS and any(is_float(value) for value in node.inputs)
    return reads or any(is_float(value) for value in node.outputs)


def is_constant(value: ir.Value | None) -> bool:
    """Whether a value is known now."""
    return value is not None and value.is_initializer()


def varying(node: ir.Node) -> list[ir.Value]:
    """The floating-point values that a node reads and that are not constants."""
    return [value for value in node.inputs if value is not None and is_float(value) and not is_constant(value)]


def moves(node: ir.Node) -> bool:
    """Whether a node only moves numbers: an Einsum of one operand does too, where it sums over nothing."""
    if node.op_type == "Einsum" and len(node.inputs) == 1:
        before, _, after = node.attributes["equation"].as_string().replace(" ", "").partition("->")
        return sorted(before) == sorted(after)
    return node.op_type in MOVERS


def is_learned(node: ir.Node) -> bool:
    """Whether a node is of the network: a product, a normalisation, or one that looks up or adds what was learned."""
    if not computes(node) or moves(node):
        # rows of a table, as embeddings are
        table = node.inputs[0] if node.op_type.startswith("Gather") and node.inputs else None
        return table is not None and is_constant(table) and is_float(table) and _rank(table) > 1
    return node.op_type in PRODUCTS | NORMALISATIONS or node.op_type == "Einsum" or _is_bias(node)


def above(start: Iterable[ir.Node], enter: Callable[[ir.Node], bool] = computes) -> dict[ir.Node, None]:
    """`start` and the nodes that it is computed from, as far as `enter` lets through, which is not asked of `start`."""
    return _reached(start, lambda node: [found for value in node.inputs if (found := _producer(value))], enter)


def below(start: Iterable[ir.Node], enter: Callable[[ir.Node], bool] = computes) -> dict[ir.Node, None]:
    """`start` and the nodes that are computed from it, as far as `enter` lets through."""
    return _reached(start, lambda node: [use.node for value in node.outputs for use in value.uses()], enter)


def _reached(
    start: Iterable[ir.Node], steps: Callable[[ir.Node], list[ir.Node]], enter: Callable[[ir.Node], bool]
) -> dict[ir.Node, None]:
    found = dict.fromkeys(start)
    waiting = list(found)
    while waiting:
        for node in steps(waiting.pop()):
            if node not in found and enter(node):
                found[node] = None
                waiting.append(node)
    return found


def _producer(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()


def _rank(value: ir.Value) -> int:
    return 0 if value.shape is None else value.shape.rank()


def _is_bias(node: ir.Node) -> bool:
    """Whether a node adds a vector that is known to a product: kernels do both at once."""
    if node.op_type != "Add":
        return False
    product, bias = sorted(node.inputs, key=is_constant)
    made = _producer(product)
    return is_constant(bias) and made is not None and made.op_type in PRODUCTS
