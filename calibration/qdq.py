"""Graph pass: quantise products, written as QuantizeLinear and DequantizeLinear nodes.

Requires: float32 layers as `layers_of` finds them, and a scale for every activation.
Ensures: every layer reads `DequantizeLinear(QuantizeLinear(x))` and weights that are stored as codes, with a scale per
channel; the outputs of int8 layers are quantised likewise. The rest of the graph is unchanged. Both ONNX Runtime (which
fuses the nodes to QLinearConv and QLinearMatMul) and strongly typed TensorRT read the graph.

`onnxruntime.quantization` is not used: it reads whole protobufs (2 GB at most), holds all weights twice, selects layers
by operator instead of by a list, and has no place for balancing or for twins (`sensitivity.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.formats import Format
from latentlink.calibration.layers import Layer
from latentlink.calibration.observers import weight_scales

if TYPE_CHECKING:
    import onnx_ir as ir


def quantise(model: ir.Model, layers: Sequence[Layer], scales: Mapping[str, float], target: Format) -> None:
    """Quantise layers in place. Weights are quantised one at a time, when the graph is written.

    Args:
        model: The denoiser; its weights are still in the file that they were loaded from.
        layers: Layers to quantise; balanced before, if at all (`balance`).
        scales: Scale by activation.
        target: The number format.
    """
    round_trips: dict[str, ir.Value] = {}
    rounded: set[ir.Value] = set()
    for layer in layers:
        reads = layer.reads
        name = reads.name or ""
        if reads not in rounded:  # else it is the quantised output of another layer
            if name not in round_trips:
                round_trips[name] = round_trip(model, reads, scales[name], target, after=reads.producer())
            layer.node.replace_input_with(0, round_trips[name])
        quantise_weights(model, layer, target)
        if target.outputs:
            rounded.add(_quantise_output(model, layer, scales, target))


def round_trip(model: ir.Model, value: ir.Value, scale: float, target: Format, *, after: ir.Node | None) -> ir.Value:
    """Insert `DequantizeLinear(QuantizeLinear(value))` after a node; None for the begin of the graph."""
    import onnx_ir as ir

    name = value.name or ""
    factor = constant(model, f"{name}_scale", np.array(scale, np.float32))
    zero = _zero(model, target)
    down = ir.node("QuantizeLinear", [value, factor, zero], name=f"{name}_quantize")
    up = ir.node("DequantizeLinear", [down.outputs[0], factor, zero], name=f"{name}_dequantize")
    codes, result = down.outputs[0], up.outputs[0]
    codes.name, result.name = f"{name}_codes", f"{name}_rounded"
    codes.type, codes.shape = ir.TensorType(_dtype(target)), value.shape
    result.type, result.shape = value.type, value.shape
    if after is None:
        model.graph.insert_before(model.graph[0], [down, up])
    else:
        model.graph.insert_after(after, [down, up])
    return result


def quantise_weights(model: ir.Model, layer: Layer, target: Format, node: ir.Node | None = None) -> None:
    """Let a layer, or its twin `node`, read its weights from codes."""
    import onnx_ir as ir

    weights, tensor = layer.weights, layer.weights.const_value
    if tensor is None:
        raise ValueError(f"{layer.name} has no constant weights.")
    scales = weight_scales(tensor.numpy(), layer.axis, target)
    node = node or layer.node
    name = f"{node.name}_weights"
    scale = constant(model, f"{name}_scale", scales)
    dtype, spread = _dtype(target), [1] * tensor.numpy().ndim
    spread[layer.axis] = -1

    def codes() -> ir.TensorProtocol:
        return _code_tensor(target.round(tensor.numpy() / scales.reshape(spread)), target)

    stored = ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(tensor.shape.numpy()))
    stored.const_value = ir.LazyTensor(codes, dtype=dtype, shape=ir.Shape(tensor.shape.numpy()), name=name)
    model.graph.register_initializer(stored)
    up = ir.node("DequantizeLinear", [stored, scale], attributes={"axis": layer.axis}, name=f"{name}_dequantize")
    up.outputs[0].name = f"{name}_rounded"
    up.outputs[0].type, up.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), stored.shape
    model.graph.insert_before(node, up)
    node.replace_input_with(1, up.outputs[0])
    if node is layer.node and not weights.uses():
        model.graph.initializers.pop(weights.name or "", None)


def _quantise_output(model: ir.Model, layer: Layer, scales: Mapping[str, float], target: Format) -> ir.Value:
    value = layer.writes
    uses = [(use.node, use.idx) for use in value.uses()]
    rounded = round_trip(model, value, scales[value.name or ""], target, after=layer.node)
    for node, index in uses:
        node.replace_input_with(index, rounded)
    return rounded


def constant(model: ir.Model, name: str, array: NDArray[Any]) -> ir.Value:
    """Add an initialiser."""
    import onnx_ir as ir

    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
    model.graph.register_initializer(value)
    return value


def _zero(model: ir.Model, target: Format) -> ir.Value:
    """The zero point that all nodes share; its type determines the type of the codes."""
    import onnx_ir as ir

    name = f"zero_{target.precision}"
    if name not in model.graph.initializers:
        value = ir.Value(name=name, const_value=_code_tensor(np.zeros((), np.float32), target, name))
        value.shape, value.dtype = ir.Shape([]), _dtype(target)
        model.graph.register_initializer(value)
    return model.graph.initializers[name]


def _dtype(target: Format) -> ir.DataType:
    import onnx_ir as ir

    return ir.DataType.INT8 if target.integer else ir.DataType.FLOAT8E4M3FN


def _code_tensor(codes: NDArray[np.floating[Any]], target: Format, name: str | None = None) -> ir.TensorProtocol:
    import onnx_ir as ir

    return ir.tensor(codes.astype(_dtype(target).numpy()), dtype=_dtype(target), name=name)
