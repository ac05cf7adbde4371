"""Graph pass: fuse attention, written as products and a softmax, into one `com.microsoft.MultiHeadAttention`.

Requires: a graph from the exporter, where attention is

    Softmax(s*q . transpose(s*k)) . v    with q, k, v [N, heads, L, width]

In UNets and VAEs q, k and v are Transpose(Reshape(x, [N, L, heads, width]), [0, 2, 1, 3]); in transformers they are
also concatenated, normalised and rotated (rotary embeddings) between the two.

Ensures: every such attention without a mask is replaced; everything else is unchanged. ONNX Runtime computes the fused
operator block by block (FlashAttention, Dao et al., 2022), and never stores the `[N, heads, L, L]` scores: 1 GB at
64x64 latents, and most of a step's memory traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

DOMAIN = "com.microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attention:
    """A matched attention: its operands `[N, heads, L, width]`, and the node that writes the result."""

    query: ir.Value
    key: ir.Value
    value: ir.Value
    heads: int
    width: int
    scale: float
    last: ir.Node


def fuse_attention(model: ir.Model) -> int:
    """Replace every attention in place.

    Returns:
        The number of fused attentions.
    """
    import onnx_ir as ir

    graph = model.graph
    found = [match for node in graph if node.op_type == "Softmax" and (match := _match(node)) is not None]
    for match in found:
        old = match.last.outputs[0]
        flat = _Flat(graph, str(old.name), match.heads * match.width)
        fused = ir.node(
            "MultiHeadAttention",
            [flat.of(match.query), flat.of(match.key), flat.of(match.value)],
            attributes={"num_heads": match.heads, "scale": match.scale},
            domain=DOMAIN,
            num_outputs=1,
        )
        result = fused.outputs[0]
        result.name, result.shape, result.type = f"{old.name}_fused", old.shape, old.type
        graph.insert_after(match.last, [*flat.nodes, fused])
        ir.convenience.replace_all_uses_with(old, result)
    if found:
        model.opset_imports[DOMAIN] = 1
        from onnx_ir.passes.common import RemoveUnusedNodesPass

        RemoveUnusedNodesPass()(model)
    return len(found)


def _match(softmax: ir.Node) -> _Attention | None:
    """The attention around `softmax`; None if it does not match."""
    scores = _from(softmax.inputs[0], "MatMul")
    product = _into(softmax.outputs[0], "MatMul")
    if scores is None or product is None or product.inputs[0] is not softmax.outputs[0]:
        return None
    left, right = (_match_scale(side) for side in scores.inputs)
    if left is None or right is None or left[1] != right[1]:
        return None
    query, key, value = left[0], _match_transposed_keys(right[0]), product.inputs[1]
    swapped = _into(product.outputs[0], "Transpose")
    last = None if swapped is None or not _permutes(swapped, (0, 2, 1, 3)) else _into(swapped.outputs[0], "Reshape")
    if query is None or key is None or value is None or last is None:
        return None
    sizes = [_sizes(operand) for operand in (query, key, value)]
    if sizes[0] is None or sizes != [sizes[0]] * 3:
        return None
    heads, width = sizes[0]
    return _Attention(query=query, key=key, value=value, heads=heads, width=width, scale=left[1] ** 2, last=last)


def _from(value: Any, op_type: str) -> ir.Node | None:
    """The node that writes `value`, if it has that type."""
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type == op_type else None


def _into(value: ir.Value, op_type: str) -> ir.Node | None:
    """The only node that reads `value`, if it has that type."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and uses[0].node.op_type == op_type and not value.is_graph_output() else None


def _permutes(node: ir.Node, order: tuple[int, ...]) -> bool:
    perm = node.attributes.get("perm")
    return perm is not None and tuple(perm.as_ints()) == order


def _match_scale(value: Any) -> tuple[ir.Value, float] | None:
    """`x` and `s` of `x * s` with a constant s."""
    node = _from(value, "Mul")
    if node is None or node.inputs[0] is None or node.inputs[1] is None:
        return None
    constant = node.inputs[1].const_value
    if constant is None or constant.size != 1:
        return None
    return node.inputs[0], float(constant.numpy().reshape(-1)[0])


def _match_transposed_keys(value: ir.Value) -> ir.Value | None:
    """The keys `[N, heads, L, width]`, whose last two dimensions the exporter swaps, possibly via three dimensions."""
    outer = _from(value, "Reshape")
    if outer is None:
        direct = _from(value, "Transpose")
        return direct.inputs[0] if direct is not None and _permutes(direct, (0, 1, 3, 2)) else None
    exchanged = _from(outer.inputs[0], "Transpose")
    if exchanged is None or not _permutes(exchanged, (0, 2, 1)):
        return None
    inner = _from(exchanged.inputs[0], "Reshape")
    return inner.inputs[0] if inner is not None else None


def _sizes(value: ir.Value | None) -> tuple[int, int] | None:
    """Heads and width of `[N, heads, L, width]`; None if they are not known."""
    if value is None or value.shape is None or len(value.shape) != 4:
        return None
    heads, width = value.shape[1], value.shape[3]
    return (heads, width) if isinstance(heads, int) and isinstance(width, int) else None


class _Flat:
    """Operands as the fused operator reads them, `[N, L, heads * width]`.

    Args:
        graph: The graph.
        name: Prefix of the names of new values.
        size: heads * width.
    """

    def __init__(self, graph: ir.Graph, name: str, size: int) -> None:
        self.nodes: list[ir.Node] = []
        """New nodes, in order."""
        self._graph = graph
        self._name = name
        self._size = size
        self._shape: ir.Value | None = None

    def of(self, value: ir.Value) -> ir.Value:
        """`value` `[N, heads, L, width]` in that form; nothing is made if the graph has it."""
        reshape = _from(rows.inputs[0], "Reshape") if (rows := _from_rows(value)) is not None else None
        if reshape is not None and reshape.inputs[0] is not None and _ends_in(reshape.inputs[0], self._size):
            return reshape.inputs[0]
        return self._add("Reshape", [self._rows(value), self._sizes()])

    def _rows(self, value: ir.Value) -> ir.Value:
        """`[N, L, heads, width]`; a concatenation of several is one of what they are made of."""
        if (node := _from_rows(value)) is not None and node.inputs[0] is not None:
            return node.inputs[0]
        joined = _from(value, "Concat")
        if joined is not None and joined.attributes["axis"].as_int() in (2, -2):
            parts = [part for part in joined.inputs if part is not None]
            return self._add("Concat", [self._rows(part) for part in parts], axis=1)
        return self._add("Transpose", [value], perm=[0, 2, 1, 3])

    def _sizes(self) -> ir.Value:
        import onnx_ir as ir

        if self._shape is None:
            made = ir.tensor([0, 0, self._size], dtype=ir.DataType.INT64)  # 0 keeps a size
            self._shape = ir.Value(name=f"{self._name}_flat", const_value=made, shape=ir.Shape([3]))
            self._shape.type = ir.TensorType(ir.DataType.INT64)
            self._graph.register_initializer(self._shape)
        return self._shape

    def _add(self, kind: str, inputs: list[ir.Value], **attributes: Any) -> ir.Value:
        import onnx_ir as ir

        node = ir.node(kind, inputs, attributes=attributes)
        made = node.outputs[0]
        made.name, made.type = f"{self._name}_operand{len(self.nodes)}", inputs[0].type
        self.nodes.append(node)
        return made


def _from_rows(value: Any) -> ir.Node | None:
    """The node that makes `[N, heads, L, width]` of `[N, L, heads, width]`, if that is how it is made."""
    node = _from(value, "Transpose")
    return node if node is not None and _permutes(node, (0, 2, 1, 3)) else None


def _ends_in(value: ir.Value, size: int) -> bool:
    """Whether a value is `[N, L, size]`."""
    return value.shape is not None and len(value.shape) == 3 and value.shape[2] == size
