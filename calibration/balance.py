"""SmoothQuant: scale differences between a normalisation's channels are moved into the weights that read it.

A few channels of the activations are far larger than the others, but all share one scale; weights have one scale per
channel. Dividing channel j of a LayerNormalization's output by `s_j` and multiplying row j of the weights by it changes
no result and costs nothing, as it is folded into the normalisation's own scale and bias. With

    s_j = max|X_j|^a / max|W_j|^(1-a)        a = 0.5

both are equally hard to quantise (Xiao et al., "SmoothQuant", 2023, equation 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.layers import Layer
from latentlink.calibration.observers import MIN_MAGNITUDE

if TYPE_CHECKING:
    import onnx_ir as ir

STRENGTH = 0.5
"""`a` in the paper."""


def balances_of(layers: Sequence[Layer], maxima: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Compute the divisors `s` of the channels.

    Args:
        layers: All layers that will be quantised.
        maxima: By activation, the largest magnitude of each channel, `[C]`.

    Returns:
        By activation, `s`, `[C]`, with a geometric mean of 1; only for activations that a LayerNormalization with
        constant scale writes and that these layers alone read.
    """
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.node.op_type == "MatMul":
            readers.setdefault(layer.reads.name or "", []).append(layer)
    balances = {}
    for name, group in readers.items():
        if not _foldable(group):
            continue
        weights = np.max([_rows(layer) for layer in group], axis=0)
        factor = np.maximum(maxima[name], MIN_MAGNITUDE) ** STRENGTH / np.maximum(weights, MIN_MAGNITUDE) ** (
            1 - STRENGTH
        )
        balances[name] = (factor / np.exp(np.mean(np.log(factor)))).astype(np.float32)
    return balances


def balance(model: ir.Model, layers: Sequence[Layer], balances: Mapping[str, NDArray[np.float32]]) -> None:
    """Fold the divisors into normalisations and weights, in place; the results of the graph stay the same."""
    for name, factor in balances.items():
        group = [layer for layer in layers if layer.reads.name == name]
        norm = group[0].reads.producer()
        if norm is None:
            continue
        for number in range(1, len(norm.inputs)):
            _replace(model, norm, number, (1 / factor).astype(np.float32), lazy=False)
        for layer in group:
            _replace(model, layer.node, 1, factor[:, None])


def _foldable(group: Sequence[Layer]) -> bool:
    norm = group[0].reads.producer()
    if norm is None or norm.op_type != "LayerNormalization" or len(norm.inputs) < 2:
        return False
    constants = all(value is not None and value.is_initializer() for value in norm.inputs[1:])
    nodes = {layer.node for layer in group}
    return constants and all(use.node in nodes for use in group[0].reads.uses())


def _rows(layer: Layer) -> NDArray[np.float32]:
    """Largest magnitude of the weights that read each channel, `[C]`."""
    tensor = layer.weights.const_value
    if tensor is None:
        raise ValueError(f"{layer.name} has no constant weights.")
    rows: NDArray[np.float32] = np.abs(tensor.numpy()).max(axis=layer.axis)
    return rows


def _replace(model: ir.Model, node: ir.Node, index: int, factor: NDArray[np.float32], *, lazy: bool = True) -> None:
    """Let a node read a constant multiplied by `factor`; other nodes may still read the original."""
    import onnx_ir as ir

    before = node.inputs[index]
    tensor = None if before is None else before.const_value
    if before is None or tensor is None:
        raise ValueError(f"Input {index} of {node.name} is no constant.")
    name = f"{node.name}_{index}_balanced"
    after = ir.Value(name=name, type=before.type, shape=before.shape)
    shape = ir.Shape(tensor.shape.numpy())

    def product() -> ir.TensorProtocol:
        return ir.tensor(tensor.numpy() * factor, name=name)

    after.const_value = ir.LazyTensor(product, dtype=tensor.dtype, shape=shape, name=name) if lazy else product()
    model.graph.register_initializer(after)
    node.replace_input_with(index, after)
    if not before.uses():
        model.graph.initializers.pop(before.name or "", None)
