"""Graph pass: products become quantised ones, written as QuantizeLinear and DequantizeLinear nodes.

Requires: float32 layers as `layers_of` finds them, and a scale for every activation.
Ensures: every layer reads `DequantizeLinear(QuantizeLinear(x))` and weights that are stored as codes, with a scale a
channel; int8 layers' outputs are quantised likewise. The rest of the graph is as it was, and both ONNX Runtime (which
fuses them to QLinearConv and QLinearMatMul) and strongly typed TensorRT take it.

`onnxruntime.quantization` is not used: its rewriting reads a protobuf whole (2 GB at most) and holds all weights twice,
quantises by the kind of operator where here the list of layers decides, and leaves no place for balancing or for twins
(`sensitivity.py`).
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

Balances = Mapping[str, NDArray[np.float32]]
"""By name of an activation, what its channels are divided by and the weights that read them multiplied, `[C]`."""


def quantise(model: ir.Model, layers: Sequence[Layer], scales: Mapping[str, float], target: Format) -> None:
    """Rewrite the layers in place. Weights are quantised when they are written, one at a time.

    Args:
        model: The denoiser, whose weights still lie where they were loaded from.
        layers: What to quantise; balanced already, if at all (`balance`).
        scales: By name of an activation.
        target: The format.
    """
    made: dict[str, ir.Value] = {}
    rounded: set[ir.Value] = set()
    for layer in layers:
        reads = layer.reads
        name = reads.name or ""
        if reads not in rounded:  # else it is another layer's output
            if name not in made:
                made[name] = round_trip(model, reads, scales[name], target, after=reads.producer())
            layer.node.replace_input_with(0, made[name])
        quantised_weights(model, layer, target)
        if target.outputs:
            rounded.add(_quantise_output(model, layer, scales, target))


def round_trip(model: ir.Model, value: ir.Value, scale: float, target: Format, *, after: ir.Node | None) -> ir.Value:
    """`DequantizeLinear(QuantizeLinear(value))`, put after a node, or first of all."""
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


def quantised_weights(model: ir.Model, layer: Layer, target: Format, node: ir.Node | None = None) -> None:
    """Let a layer, or a twin of it, read its weights from codes."""
    import onnx_ir as ir

    weights, tensor = layer.weights, layer.weights.const_value
    if tensor is None:
        raise ValueError(f"The weights of {layer.name} are not there.")
    found = weight_scales(tensor.numpy(), layer.axis, target)
    node = node or layer.node
    name = f"{node.name}_weights"
    scale = constant(model, f"{name}_scale", found)
    dtype, spread = _dtype(target), [1] * tensor.numpy().ndim
    spread[layer.axis] = -1

    def codes() -> ir.TensorProtocol:
        return _coded(target.rounded(tensor.numpy() / found.reshape(spread)), target)

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
    """A new initialiser."""
    import onnx_ir as ir

    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
    model.graph.register_initializer(value)
    return value


def _zero(model: ir.Model, target: Format) -> ir.Value:
    """The zero point, whose type says what to quantise to; one for all nodes."""
    import onnx_ir as ir

    name = f"zero_{target.precision}"
    if name not in model.graph.initializers:
        value = ir.Value(name=name, const_value=_coded(np.zeros((), np.float32), target, name))
        value.shape, value.dtype = ir.Shape([]), _dtype(target)
        model.graph.register_initializer(value)
    return model.graph.initializers[name]


def _dtype(target: Format) -> ir.DataType:
    import onnx_ir as ir

    return ir.DataType.INT8 if target.integer else ir.DataType.FLOAT8E4M3FN


def _coded(codes: NDArray[np.floating[Any]], target: Format, name: str | None = None) -> ir.TensorProtocol:
    import onnx_ir as ir

    return ir.tensor(codes.astype(_dtype(target).numpy()), dtype=_dtype(target), name=name)
