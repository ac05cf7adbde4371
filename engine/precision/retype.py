"""Graph pass: nodes and weights get their types, and casts stand where two types meet.

Requires: a graph in order as `widen` left it, and the nodes that stay in float32.
Ensures: what a node reads and makes is of the node's own type, but for operands that the operator wants in float32.
A value is cast at most once to a type, right behind what makes it, and never back; constants are never cast but
converted, or kept in both types. Ports are as they were. What leaves nodes that compute with numbers beyond float16's
range is limited to it before the cast.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from latentlink.engine.precision.graph import SHAPE_READERS, computes, is_float, nodes_of
from latentlink.engine.precision.tensors import converted

WIDE = ir.DataType.FLOAT

ALWAYS_WIDE = {"Resize": (1, 2), "Upsample": (1,)}
"""By operator, the operands that are float32 whatever it computes in: regions and scales."""

TYPE_ATTRIBUTES = ("dtype", "to")
"""Say the type of what an operator makes."""


def retype(
    model: ir.Model, low: ir.DataType, *, kept: Collection[ir.Node], limited: Collection[ir.Node] = frozenset()
) -> None:
    """Give every value its type, in place.

    Args:
        model: As `widen` left it.
        low: float16 or bfloat16, or float32 where everything is to have that.
        kept: Nodes that stay in float32.
        limited: Those of them whose results may be beyond float16's range.
    """
    types = _Types(low=low, kept=kept, ports={value: value.dtype for value in model.graph.outputs})
    nodes = [node for node in nodes_of(model) if computes(node)]
    for node in nodes:
        _set(node, types.of(node))
    given = [value for value in model.graph.inputs if is_float(value)]
    made = [value for node in nodes for value in node.outputs if is_float(value)]
    constants = [value for graph in model.graphs() for value in graph.initializers.values() if is_float(value)]
    for value in constants:
        _convert(value, types)
    for value in (*given, *made):
        _cast(model, value, types, limit=low == ir.DataType.FLOAT16 and value.producer() in limited)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Types:
    """Which types nodes and their operands have."""

    low: ir.DataType
    kept: Collection[ir.Node]
    ports: dict[ir.Value, ir.DataType | None]

    def of(self, node: ir.Node) -> ir.DataType:
        return WIDE if node in self.kept else self.low

    def wanted(self, node: ir.Node, index: int) -> ir.DataType | None:
        """What a reader wants of an operand; None where it takes any."""
        if node.op_type in SHAPE_READERS:
            return None
        return WIDE if index in ALWAYS_WIDE.get(node.op_type, ()) else self.of(node)

    def readers(self, value: ir.Value) -> dict[ir.DataType, list[tuple[ir.Node, int]]]:
        """Who reads a value, and as which operand, by the type wanted."""
        found: dict[ir.DataType, list[tuple[ir.Node, int]]] = {}
        for node, index in value.uses():
            if (wanted := self.wanted(node, index)) is not None:
                found.setdefault(wanted, []).append((node, index))
        return found


def _set(node: ir.Node, dtype: ir.DataType) -> None:
    """Give what a node makes its type; the graph's outputs get theirs with their casts."""
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
        node.attributes["value"] = ir.AttrTensor("value", converted(fill.as_tensor(), dtype))


def _convert(value: ir.Value, types: _Types) -> None:
    """Give a constant the type that its readers want, or make another of it where they want two."""
    readers = types.readers(value)
    first, *others = sorted(readers, key=lambda dtype: dtype != WIDE) or [WIDE]
    tensor, graph = value.const_value, value.graph
    if tensor is None or graph is None:
        return
    value.const_value, value.dtype = converted(tensor, first), first
    for dtype in others:
        twin = ir.Value(
            name=_named(value, dtype),
            type=ir.TensorType(dtype),
            shape=value.shape,
            const_value=converted(tensor, dtype),
        )
        graph.register_initializer(twin)
        for node, index in readers[dtype]:
            node.replace_input_with(index, twin)


def _cast(model: ir.Model, value: ir.Value, types: _Types, *, limit: bool) -> None:
    """Cast a value to every other type that is wanted of it."""
    readers, port = types.readers(value), types.ports.get(value)
    for dtype in dict.fromkeys((*readers, *([] if port is None else [port]))):
        if dtype == value.dtype:
            continue
        limits = [_limit(model, value)] if limit and dtype != WIDE else []
        source = limits[0].outputs[0] if limits else value
        cast = ir.node("Cast", [source], {"to": dtype}, name=f"cast_{_named(value, dtype)}")
        made = cast.outputs[0]
        made.name, made.type, made.shape = _named(value, dtype), ir.TensorType(dtype), value.shape
        for node, index in readers.get(dtype, []):
            node.replace_input_with(index, made)
        _insert(model, value, [*limits, cast])
        if dtype == port:
            made.name, value.name = value.name, f"{value.name}__{_short(value.dtype)}"
            outputs = model.graph.outputs
            outputs[list(outputs).index(value)] = made


def _insert(model: ir.Model, value: ir.Value, nodes: list[ir.Node]) -> None:
    """Put nodes right behind what makes a value."""
    producer = value.producer()
    if producer is None or producer.graph is None:
        model.graph.insert_before(model.graph[0], nodes)
    else:
        producer.graph.insert_after(producer, nodes)


def _limit(model: ir.Model, value: ir.Value) -> ir.Node:
    """Limits a float32 value to float16's range."""
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


def _named(value: ir.Value, dtype: ir.DataType) -> str:
    return f"{value.name}__{_short(dtype)}"


def _short(dtype: ir.DataType | None) -> str:
    return str(np.dtype(dtype.numpy())) if dtype is not None else ""
