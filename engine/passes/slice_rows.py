"""Graph pass: select rows of a batch by slices, not by their numbers.

Requires: a graph of a step, whose rows of text, N, are as many as its pictures, B, or twice as many, and which selects
rows by

    GatherND(x, Unsqueeze(i))    with i = Range(0, N) mod B, Range(0, B), or Range(0, B) + (N - B)

Ensures: every such selection is a slice; everything else is unchanged. Sizes that reach only what a slice begins and
ends with stay on the host. ONNX Runtime computes row numbers on the host, too, so that a GPU would wait for a copy of
them in every step, and the step could not be captured as a CUDA graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

END = (1 << 63) - 1
"""The end of an axis."""


def slice_rows(model: ir.Model) -> int:
    """Replace every selection in place.

    Returns:
        The number of replaced selections.
    """
    import onnx_ir as ir

    replaced = 0
    for node in list(model.graph):
        rows = _rows(node)
        if rows is None:
            continue
        made = _slice(model.graph, node, *rows)
        result, old = made.outputs[0], node.outputs[0]
        result.name, result.shape, result.type = f"{old.name}_sliced", old.shape, old.type
        ir.convenience.replace_all_uses_with(old, result)
        replaced += 1
    if replaced:
        from onnx_ir.passes.common import RemoveUnusedNodesPass

        RemoveUnusedNodesPass()(model)
    return replaced


def _rows(node: ir.Node) -> tuple[str, ir.Value, ir.Value | None] | None:
    """What a node selects: `repeated` or `first` with a number of rows, `last` with that of all and of these."""
    index = _from(node.inputs[1], "Unsqueeze") if node.op_type == "GatherND" else None
    number = None if index is None or index.inputs[0] is None else index.inputs[0].producer()
    if number is None or number.op_type not in ("Range", "Mod", "Add"):
        return None
    if number.op_type == "Range":
        count = _count(number)
        return None if count is None else ("first", count, None)
    left, right = (value.producer() if value is not None else None for value in number.inputs)
    count = _count(left)
    if count is None or right is None:
        return None
    if number.op_type == "Mod" and right.op_type == "Expand":
        return "repeated", count, None
    if number.op_type == "Add" and right.op_type == "Sub":
        whole, part = (_size(value) for value in right.inputs)
        if whole is not None and part is count:
            return "last", whole, count
    return None


def _slice(graph: ir.Graph, node: ir.Node, which: str, count: ir.Value, part: ir.Value | None) -> ir.Node:
    """The slice that selects these rows, inserted in the node's place."""
    import onnx_ir as ir

    def constant(number: int, name: str) -> ir.Value:
        value = ir.Value(
            name=f"{node.outputs[0].name}_{name}", const_value=ir.tensor([number], dtype=ir.DataType.INT64)
        )
        value.shape, value.type = ir.Shape([1]), ir.TensorType(ir.DataType.INT64)
        graph.register_initializer(value)
        return value

    data = node.inputs[0]
    assert data is not None
    begin, end = constant(0, "begin"), count
    before: list[ir.Node] = []
    if which == "repeated":
        before.append(ir.node("Concat", [data, data], attributes={"axis": 0}))
        before[0].outputs[0].name = f"{node.outputs[0].name}_repeated"
        before[0].outputs[0].type = data.type
        data = before[0].outputs[0]
    elif which == "last":
        before.append(ir.node("Sub", [count, part]))
        before[0].outputs[0].name = f"{node.outputs[0].name}_from"
        before[0].outputs[0].shape, before[0].outputs[0].type = begin.shape, begin.type
        begin, end = before[0].outputs[0], constant(END, "end")
    made = ir.node("Slice", [data, begin, end, constant(0, "axis")])
    graph.insert_before(node, [*before, made])
    return made


def _count(node: ir.Node | None) -> ir.Value | None:
    """n of `Range(0, n, 1)`, as a tensor of one number; None if it is something else."""
    if node is None or node.op_type != "Range":
        return None
    start, limit, step = node.inputs
    constants = (None if value is None else value.const_value for value in (start, step))
    numbers = [None if constant is None else int(constant.numpy()) for constant in constants]
    return _size(limit) if numbers == [0, 1] else None


def _size(value: ir.Value | None) -> ir.Value | None:
    """The size of a dimension, as a tensor of one number, of which `value` is that number."""
    squeeze = _from(value, "Squeeze")
    shape = None if squeeze is None else _from(squeeze.inputs[0], "Shape")
    return None if shape is None else shape.outputs[0]


def _from(value: ir.Value | None, kind: str) -> ir.Node | None:
    """The node that makes a value, if it is of that kind."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type == kind else None
