"""Graph pass: fuse attention, written as products and a softmax, into one `com.microsoft.MultiHeadAttention`.

Requires: a graph from the exporter, where attention is

    Softmax(s*q . transpose(s*k)) . v    with q, k, v = Transpose(Reshape(x, [N, L, heads, width]), [0, 2, 1, 3])

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
    """A matched attention: its operands `[N, L, heads * width]`, and the node that writes the result."""

    query: ir.Value
    key: ir.Value
    value: ir.Value
    heads: int
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
        fused = ir.node(
            "MultiHeadAttention",
            [match.query, match.key, match.value],
            attributes={"num_heads": match.heads, "scale": match.scale},
            domain=DOMAIN,
            num_outputs=1,
        )
        result, old = fused.outputs[0], match.last.outputs[0]
        result.name, result.shape, result.type = f"{old.name}_fused", old.shape, old.type
        graph.insert_after(match.last, fused)
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
    query, key, value = _heads(left[0]), _heads(_match_transposed_keys(right[0])), _heads(product.inputs[1])
    swapped = _into(product.outputs[0], "Transpose")
    last = None if swapped is None or not _permutes(swapped, (0, 2, 1, 3)) else _into(swapped.outputs[0], "Reshape")
    if query is None or key is None or value is None or last is None:
        return None
    heads = left[0].shape[1] if left[0].shape is not None else None
    if not isinstance(heads, int):
        return None
    return _Attention(query=query, key=key, value=value, heads=heads, scale=left[1] ** 2, last=last)


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


def _heads(value: Any) -> ir.Value | None:
    """x `[N, L, heads * width]` of `Transpose(Reshape(x), [0, 2, 1, 3])`."""
    node = _from(value, "Transpose")
    if node is None or not _permutes(node, (0, 2, 1, 3)):
        return None
    reshape = _from(node.inputs[0], "Reshape")
    return reshape.inputs[0] if reshape is not None else None
