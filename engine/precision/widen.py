"""Graph pass: every floating-point value inside the graph becomes float32.

Requires: every value has a type, or its type follows from the operators.
Ensures: there are no casts between floating-point types; weights are converted when they are read, and constants are
initialisers. Inputs and outputs keep their types: if these are not float32, the graph is valid again only after
`retype`.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, LiftConstantsToInitializersPass, ShapeInferencePass

from latentlink.engine.precision.graph import is_float, nodes_of
from latentlink.engine.precision.opset import allow_bfloat16
from latentlink.engine.precision.tensors import convert_tensor
from latentlink.errors import BundleError

WIDE = ir.DataType.FLOAT


def widen(model: ir.Model) -> None:
    """Widen a graph in place.

    Raises:
        BundleError: The type of a value is unknown.
    """
    if model.functions:
        InlinePass()(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    _check_types(model)
    for node in list(nodes_of(model)):
        if node.op_type == "Cast" and is_float(node.inputs[0]) and is_float(node.outputs[0]):
            _drop(node)
    for graph in model.graphs():
        for value in graph.initializers.values():
            if is_float(value) and value.const_value is not None:
                value.const_value = convert_tensor(value.const_value, WIDE)
                value.dtype = WIDE
    ports = {*model.graph.inputs, *model.graph.outputs}
    inside = [value for node in nodes_of(model) for value in node.outputs if value not in ports]
    for value in (*inside, *(value for graph in model.graph.subgraphs() for value in graph.inputs)):
        if is_float(value):
            value.dtype = WIDE


def _check_types(model: ir.Model) -> None:
    def untyped() -> list[ir.Value]:
        return [value for node in nodes_of(model) for value in node.outputs if value.dtype is None and value.name]

    if untyped():
        # the exporter's own inference stops at a bfloat16 convolution, which its opset does not have
        allow_bfloat16(model)
        ShapeInferencePass()(model)
    if left := untyped():
        raise BundleError(
            f"The graph does not tell the type of {left[0].name!r} ({len(left)} such values); expected one for each.",
            remedy="Export it again with this version of latentlink.",
        )


def _drop(cast: ir.Node) -> None:
    """Let the readers of a cast read its input. A graph output keeps its name, whichever node writes it."""
    source, made, graph = cast.inputs[0], cast.outputs[0], cast.graph
    if source is None or graph is None:
        return
    if made.is_graph_output():
        producer = source.producer()
        if producer is None or producer.graph is not graph or source.is_graph_output():
            # no other node can write the output, so that an Identity does
            stand_in = ir.node("Identity", [source])
            graph.insert_after(cast, stand_in)
            source = stand_in.outputs[0]
        source.name, made.name = made.name, f"{made.name}__dropped"
        source.type, source.shape = made.type, made.shape
    made.replace_all_uses_with(source, replace_graph_outputs=True)
    graph.remove(cast, safe=True)
