"""Sensitivity: which layers quantisation harms most, and which of them have to stay in float32.

Every layer gets a quantised twin that reads the same activations. One run of one graph measures all layers; the noise
is summed inside the graph, so that it needs no more memory than an ordinary run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.formats import Format
from latentlink.calibration.layers import Layer
from latentlink.calibration.qdq import quantise_weights, round_trip
from latentlink.engine.bundle import Arrays
from latentlink.engine.quality import decibel

if TYPE_CHECKING:
    import onnx_ir as ir

NOISE, SIGNAL = "_noise", "_signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """What quantising one layer costs.

    Args:
        layer: Name of the layer.
        operator: `Conv`, `MatMul` or `Gemm`.
        sqnr: Signal-to-quantisation-noise ratio of its output in dB.
        size: Number of weights.
    """

    layer: str
    operator: str
    sqnr: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepList:
    """The layers that stay in float32, and the figures by which they were chosen.

    Args:
        layers: Their names.
        step_snr: Signal-to-noise ratio of one step's output with this list, in dB.
        needed: dB that it has to reach.
        share: Share of the weights that these layers have, 0 to 1.
        max_share: Largest share that was allowed.
    """

    layers: frozenset[str]
    step_snr: float
    needed: float
    share: float
    max_share: float

    @property
    def sufficient(self) -> bool:
        """Whether the step's output is good enough."""
        return self.step_snr >= self.needed


def add_twins(model: ir.Model, layers: Sequence[Layer], scales: Mapping[str, float], target: Format) -> None:
    """Add a quantised twin of every layer, in place, with two graph outputs: squared noise and squared signal.

    Args:
        model: Float32 graph, balanced.
        layers: Layers to measure.
        scales: Scale by activation.
        target: The number format.
    """
    import onnx_ir as ir

    round_trips: dict[str, ir.Value] = {}
    for layer in layers:
        reads = layer.reads
        name = reads.name or ""
        if name not in round_trips:
            round_trips[name] = round_trip(model, reads, scales[name], target, after=reads.producer())
        node, writes = layer.node, layer.writes
        twin = ir.node(
            node.op_type,
            [round_trips[name], *node.inputs[1:]],
            attributes=dict(node.attributes),
            name=f"{node.name}_twin",
        )
        result = twin.outputs[0]
        result.name, result.type, result.shape = f"{writes.name}_twin", writes.type, writes.shape
        model.graph.insert_after(node, twin)
        quantise_weights(model, layer, target, twin)
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
    """The cost of every layer, the worst first.

    Args:
        layers: The layers that have twins.
        runs: Outputs of runs of the graph.
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


def find_keep_list(
    costs: Sequence[LayerCost], needed: float, step_snr: Callable[[frozenset[str]], float], *, max_share: float
) -> KeepList:
    """Find the fewest of the worst layers that have to stay in float32 for a step to be good enough.

    Args:
        costs: Cost by layer, the worst first.
        needed: dB that the step's output has to reach.
        step_snr: Quantises all but these layers, and measures the step's output in dB.
        max_share: Largest share of the weights that may stay in float32, 0 to 1.

    Returns:
        The layers. If no list within `max_share` is good enough, the longest one.
    """
    total, size, limit = sum(cost.size for cost in costs), 0, 0
    for cost in costs:
        size += cost.size
        if size > max_share * total:
            break
        limit += 1

    def head(count: int) -> frozenset[str]:
        return frozenset(cost.layer for cost in costs[:count])

    def result(count: int, snr: float) -> KeepList:
        kept = sum(cost.size for cost in costs[:count])
        return KeepList(
            layers=head(count), step_snr=snr, needed=needed, share=kept / total if total else 0.0, max_share=max_share
        )

    best = step_snr(head(0))
    if best >= needed or limit == 0:
        return result(0, best)
    low, high, best = 0, limit, step_snr(head(limit))
    if best < needed:
        return result(limit, best)
    while high - low > 1:
        middle = (low + high) // 2
        found = step_snr(head(middle))
        low, high, best = (low, middle, found) if found >= needed else (middle, high, best)
    return result(high, best)


def step_quality(reference: Sequence[NDArray[np.floating]], results: Sequence[NDArray[np.floating]]) -> float:
    """Signal-to-noise ratio in dB of a step's results against the reference's.

    Every result has the same weight: its noise is measured relative to its own signal.
    """
    shares = []
    for wanted, found in zip(reference, results, strict=True):
        signal = float((wanted.astype(np.float64) ** 2).sum())
        shares.append(float(((found - wanted.astype(np.float64)) ** 2).sum()) / max(signal, 1e-30))
    return decibel(1.0, float(np.mean(shares)))
