"""Which layers quantisation harms most: every layer beside a quantised twin that reads the same activations.

All layers are measured in one run of one graph, in which noise is summed inside, so that memory stays that of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.formats import Format
from latentlink.calibration.layers import Layer
from latentlink.calibration.qdq import quantised_weights, round_trip
from latentlink.engine.quality import decibel

if TYPE_CHECKING:
    import onnx_ir as ir

Arrays = Mapping[str, NDArray[Any]]
NOISE, SIGNAL = "_noise", "_signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """What quantising one layer costs.

    Args:
        layer: Its name.
        operator: `Conv`, `MatMul` or `Gemm`.
        sqnr: Signal-to-quantisation-noise ratio of its output, dB.
        size: Number of weights.
    """

    layer: str
    operator: str
    sqnr: float
    size: int


def add_twins(model: ir.Model, layers: Sequence[Layer], scales: Mapping[str, float], target: Format) -> None:
    """Put a quantised twin beside every layer, in place; its squared noise and the layer's squared output are outputs.

    Args:
        model: Float32, balanced.
        layers: What to measure.
        scales: By activation.
        target: The format.
    """
    import onnx_ir as ir

    made: dict[str, ir.Value] = {}
    for layer in layers:
        reads = layer.reads
        name = reads.name or ""
        if name not in made:
            made[name] = round_trip(model, reads, scales[name], target, after=reads.producer())
        node, writes = layer.node, layer.writes
        twin = ir.node(
            node.op_type, [made[name], *node.inputs[1:]], attributes=dict(node.attributes), name=f"{node.name}_twin"
        )
        result = twin.outputs[0]
        result.name, result.type, result.shape = f"{writes.name}_twin", writes.type, writes.shape
        model.graph.insert_after(node, twin)
        quantised_weights(model, layer, target, twin)
        last = twin
        if target.outputs:
            result = round_trip(model, result, scales[writes.name or ""], target, after=twin)
            last = result.producer() or twin
        difference = ir.node("Sub", [writes, result])
        noise = ir.node("ReduceSumSquare", [difference.outputs[0]], attributes={"keepdims": 0})
        signal = ir.node("ReduceSumSquare", [writes], attributes={"keepdims": 0})
        model.graph.insert_after(last, [difference, noise, signal])
        for one, suffix in ((noise, NOISE), (signal, SIGNAL)):
            value = one.outputs[0]
            value.name, value.type, value.shape = (
                f"{layer.name}{suffix}",
                ir.TensorType(ir.DataType.FLOAT),
                ir.Shape([]),
            )
            model.graph.outputs.append(value)


def costs_of(layers: Sequence[Layer], runs: Sequence[Arrays]) -> tuple[LayerCost, ...]:
    """What every layer costs, the worst first.

    Args:
        layers: That have twins.
        runs: Outputs of runs of their graph.
    """
    found = []
    for layer in layers:
        noise, signal = (sum(float(run[f"{layer.name}{suffix}"]) for run in runs) for suffix in (NOISE, SIGNAL))
        sqnr = decibel(signal, noise)
        found.append(
            LayerCost(
                layer=layer.name,
                operator=layer.node.op_type,
                sqnr=round(sqnr, 2) if math.isfinite(sqnr) else 200.0 if sqnr > 0 else -200.0,
                size=layer.size,
            )
        )
    return tuple(sorted(found, key=lambda cost: (cost.sqnr, cost.layer)))


def keep_list(
    costs: Sequence[LayerCost], needed: float, quality: Callable[[frozenset[str]], float], *, most: float
) -> tuple[frozenset[str], float]:
    """The shortest head of the ranking that has to stay in float32 for the step to be good enough.

    Args:
        costs: The worst first.
        needed: dB that the step's output has to reach.
        quality: Quantises all but these layers and measures the step's output, dB.
        most: Share of the weights that may be kept, 0 to 1: the budget.

    Returns:
        Names of the layers to keep and the dB with them: where the budget does not do, the longest head within it.
    """
    total, spent, limit = sum(cost.size for cost in costs), 0, 0
    for cost in costs:
        spent += cost.size
        if spent > most * total:
            break
        limit += 1

    def head(count: int) -> frozenset[str]:
        return frozenset(cost.layer for cost in costs[:count])

    best = quality(head(0))
    if best >= needed or limit == 0:
        return head(0), best
    low, high, best = 0, limit, quality(head(limit))
    if best < needed:
        return head(limit), best
    while high - low > 1:
        middle = (low + high) // 2
        found = quality(head(middle))
        low, high, best = (low, middle, found) if found >= needed else (middle, high, best)
    return head(high), best


def step_quality(reference: Sequence[NDArray[np.floating]], made: Sequence[NDArray[np.floating]]) -> float:
    """Signal-to-noise ratio of a step's results against the reference's, dB.

    Every result counts alike, whatever the size of its latents: noise is measured over each one's own signal.
    """
    shares = []
    for wanted, found in zip(reference, made, strict=True):
        signal = float((wanted.astype(np.float64) ** 2).sum())
        shares.append(float(((found - wanted.astype(np.float64)) ** 2).sum()) / max(signal, 1e-30))
    return decibel(1.0, float(np.mean(shares)))
