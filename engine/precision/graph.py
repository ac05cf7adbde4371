"""Properties of a graph that the passes use: nodes that compute with floats, learned nodes, reachability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import onnx_ir as ir

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})
"""Types that a conversion changes. float8 and smaller types belong to a quantisation, and stay."""

SHAPE_READERS = frozenset({"Shape", "Size"})
"""Operators that read the size of a tensor, not its numbers."""

# fmt: off
MOVERS = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Pad",
    "Reshape", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
    "Trilu", "Unsqueeze", "Where",
})
"""Operators that move numbers without changing them."""

PRODUCTS = frozenset({
    "Attention", "Conv", "ConvTranspose", "DeformConv", "Gemm", "GRU", "LSTM", "MatMul", "MultiHeadAttention", "RNN",
})
"""Sums of products: most of a network's work, and what half precision makes faster."""

NORMALISATIONS = frozenset({
    "BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization", "LpNormalization",
    "MeanVarianceNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization",
})
"""Normalisations that are a single operator."""
# fmt: on


def is_float(value: ir.Value | None) -> bool:
    """Whether a value has one of the types in `FLOATS`."""
    return value is not None and value.dtype in FLOATS


def nodes_of(model: ir.Model) -> Iterator[ir.Node]:
    """Every node, including those of subgraphs."""
    return iter(ir.traversal.RecursiveGraphIterator(model.graph))


def computes(node: ir.Node) -> bool:
    """Whether a node reads or writes floating-point numbers."""
    reads = node.op_type not in SHAPE_READERS and any(is_float(value) for value in node.inputs)
    return reads or any(is_float(value) for value in node.outputs)


def is_constant(value: ir.Value | None) -> bool:
    """Whether a value is a constant of the graph."""
    return value is not None and value.is_initializer()


def varying(node: ir.Node) -> list[ir.Value]:
    """The floating-point inputs of a node that are not constant."""
    return [value for value in node.inputs if value is not None and is_float(value) and not is_constant(value)]


def moves(node: ir.Node) -> bool:
    """Whether a node only moves numbers; so does an Einsum of one operand without a sum."""
    if node.op_type == "Einsum" and len(node.inputs) == 1:
        before, _, after = node.attributes["equation"].as_string().replace(" ", "").partition("->")
        return sorted(before) == sorted(after)
    return node.op_type in MOVERS


def is_learned(node: ir.Node) -> bool:
    """Whether a node is part of the network: a product, a normalisation, or a node that looks up or adds weights."""
    if not computes(node) or moves(node):
        # a look-up in a table, such as an embedding
        table = node.inputs[0] if node.op_type.startswith("Gather") and node.inputs else None
        return table is not None and is_constant(table) and is_float(table) and _rank(table) > 1
    return node.op_type in PRODUCTS | NORMALISATIONS or node.op_type == "Einsum" or _is_bias(node)


def above(start: Iterable[ir.Node], enter: Callable[[ir.Node], bool] = computes) -> dict[ir.Node, None]:
    """`start`, and the nodes above it that are reached through nodes where `enter` is true."""
    return _reachable(start, lambda node: [found for value in node.inputs if (found := _producer(value))], enter)


def below(start: Iterable[ir.Node], enter: Callable[[ir.Node], bool] = computes) -> dict[ir.Node, None]:
    """`start`, and the nodes below it that are reached through nodes where `enter` is true."""
    return _reachable(start, lambda node: [use.node for value in node.outputs for use in value.uses()], enter)


def _reachable(
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
    """Whether a node adds a constant vector to a product: kernels do both at once."""
    if node.op_type != "Add":
        return False
    product, bias = sorted(node.inputs, key=is_constant)
    producer = _producer(product)
    return is_constant(bias) and producer is not None and producer.op_type in PRODUCTS
