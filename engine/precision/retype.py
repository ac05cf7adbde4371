"""Graph pass: give nodes and weights their types, and insert casts between nodes of different types.

Requires: a topologically sorted graph as `widen` leaves it, and the nodes that stay in float32.
Ensures: a node reads and writes its own type, except for operands that its operator needs in float32. A value is cast
at most once to each type, right after its producer, and never back; constants are converted instead of cast, or stored
in both types. The ports keep their types. Results of nodes that compute beyond float16's range are clamped to it before
the cast.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from latentlink.engine.precision.graph import SHAPE_READERS, computes, is_float, nodes_of
from latentlink.engine.precision.tensors import convert_tensor

WIDE = ir.DataType.FLOAT

ALWAYS_WIDE = {"Resize": (1, 2), "Upsample": (1,)}
"""By operator, the operands that are always float32: regions and scales."""

TYPE_ATTRIBUTES = ("dtype", "to")
"""Attributes that determine the type of an operator's output."""


def retype(
    model: ir.Model, low: ir.DataType, *, float32_nodes: Collection[ir.Node], clamp: Collection[ir.Node] = frozenset()
) -> None:
    """Give every value its type, in place.

    Args:
        model: A graph as `widen` leaves it.
        low: float16 or bfloat16; or float32 for the whole graph.
        float32_nodes: Nodes that stay in float32.
        clamp: Nodes among them whose results may be beyond float16's range.
    """
    types = _Types(low=low, float32_nodes=float32_nodes, ports={value: value.dtype for value in model.graph.outputs})
    nodes = [node for node in nodes_of(model) if computes(node)]
    for node in nodes:
        _set(node, types.of(node))
    inputs = [value for value in model.graph.inputs if is_float(value)]
    results = [value for node in nodes for value in node.outputs if is_float(value)]
    constants = [value for graph in model.graphs() for value in graph.initializers.values() if is_float(value)]
    for value in constants:
        _convert(value, types)
    for value in (*inputs, *results):
        _cast(model, value, types, limit=low == ir.DataType.FLOAT16 and value.producer() in clamp)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Types:
    """The types of nodes and of their operands."""

    low: ir.DataType
    float32_nodes: Collection[ir.Node]
    ports: dict[ir.Value, ir.DataType | None]

    def of(self, node: ir.Node) -> ir.DataType:
        return WIDE if node in self.float32_nodes else self.low

    def operand_type(self, node: ir.Node, index: int) -> ir.DataType | None:
        """The type that a node needs for an operand; None if it takes any."""
        if node.op_type in SHAPE_READERS:
            return None
        return WIDE if index in ALWAYS_WIDE.get(node.op_type, ()) else self.of(node)

    def readers(self, value: ir.Value) -> dict[ir.DataType, list[tuple[ir.Node, int]]]:
        """Readers of a value, with the operand's index, by the type that they need."""
        readers: dict[ir.DataType, list[tuple[ir.Node, int]]] = {}
        for node, index in value.uses():
            if (dtype := self.operand_type(node, index)) is not None:
                readers.setdefault(dtype, []).append((node, index))
        return readers


def _set(node: ir.Node, dtype: ir.DataType) -> None:
    """Set the type of a node's results; casts give the graph's outputs their types."""
    for value in node.outputs:
        if is_float(value):
            value.dtype = dtype
    if not any(is_float(value) for value in node.outputs):
        return
    for name in TYPE_ATTRIBUTES:
        if name in node.attributes:
            node.attributes[name] = ir.AttrInt64(name, dtype)
    fill = node.attributes.get("value")
    if fill is not None and fill.type == ir.AttributeType.TENSOR:
        node.attributes["value"] = ir.AttrTensor("value", convert_tensor(fill.as_tensor(), dtype))


def _convert(value: ir.Value, types: _Types) -> None:
    """Convert a constant to the type that its readers need; make a second constant if they need two types."""
    readers = types.readers(value)
    first, *others = sorted(readers, key=lambda dtype: dtype != WIDE) or [WIDE]
    tensor, graph = value.const_value, value.graph
    if tensor is None or graph is None:
        return
    value.const_value, value.dtype = convert_tensor(tensor, first), first
    for dtype in others:
        twin = ir.Value(
            name=_typed_name(value, dtype),
            type=ir.TensorType(dtype),
            shape=value.shape,
            const_value=convert_tensor(tensor, dtype),
        )
        graph.register_initializer(twin)
        for node, index in readers[dtype]:
            node.replace_input_with(index, twin)


def _cast(model: ir.Model, value: ir.Value, types: _Types, *, limit: bool) -> None:
    """Cast a value to every other type that its readers need."""
    readers, port = types.readers(value), types.ports.get(value)
    for dtype in dict.fromkeys((*readers, *([] if port is None else [port]))):
        if dtype == value.dtype:
            continue
        limits = [_limit(model, value)] if limit and dtype != WIDE else []
        source = limits[0].outputs[0] if limits else value
        cast = ir.node("Cast", [source], {"to": dtype}, name=f"cast_{_typed_name(value, dtype)}")
        made = cast.outputs[0]
        made.name, made.type, made.shape = _typed_name(value, dtype), ir.TensorType(dtype), value.shape
        for node, index in readers.get(dtype, []):
            node.replace_input_with(index, made)
        _insert(model, value, [*limits, cast])
        if dtype == port:
            made.name, value.name = value.name, f"{value.name}__{_short(value.dtype)}"
            outputs = model.graph.outputs
            outputs[list(outputs).index(value)] = made


def _insert(model: ir.Model, value: ir.Value, nodes: list[ir.Node]) -> None:
    """Insert nodes right after the producer of a value."""
    producer = value.producer()
    if producer is None or producer.graph is None:
        model.graph.insert_before(model.graph[0], nodes)
    else:
        producer.graph.insert_after(producer, nodes)


def _limit(model: ir.Model, value: ir.Value) -> ir.Node:
    """Make a node that clamps a float32 value to float16's range."""
    bounds = []
    for name, bound in (("lowest", np.finfo(np.float16).min), ("highest", np.finfo(np.float16).max)):
        constant = model.graph.initializers.get(f"float16_{name}")
        if constant is None:
            tensor = ir.tensor(np.float32(bound), name=f"float16_{name}")
            constant = ir.Value(name=tensor.name, type=ir.TensorType(WIDE), shape=ir.Shape(()), const_value=tensor)
            model.graph.register_initializer(constant)
        bounds.append(constant)
    node = ir.node("Clip", [value, *bounds], name=f"limit_{value.name}")
    made = node.outputs[0]
    made.name, made.type, made.shape = f"{value.name}__limited", ir.TensorType(WIDE), value.shape
    return node


def _typed_name(value: ir.Value, dtype: ir.DataType) -> str:
    return f"{value.name}__{_short(dtype)}"


def _short(dtype: ir.DataType | None) -> str:
    return str(np.dtype(dtype.numpy())) if dtype is not None else ""
