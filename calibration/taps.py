"""Taps: small extra outputs of a denoiser's float32 graph that measure activations without storing them.

The reduction happens inside the graph: the largest magnitude of every channel, and a strided sample of at most `SAMPLE`
numbers for histograms. So a run needs no more memory than an ordinary one, whatever the size of the network. ONNX
Runtime's own calibrators are not used: they store every activation of every run, or rebuild a histogram for every wider
range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.layers import Layer
from latentlink.calibration.observers import Histogram
from latentlink.engine.bundle import Arrays
from latentlink.engine.passes.fuse_attention import fuse_attention
from latentlink.processors import processors

if TYPE_CHECKING:
    import onnx_ir as ir

SAMPLE = 1 << 16
"""Most numbers of one activation that are counted in a run."""

OFFSET = "tap_offset"
"""Graph input with sample taps: the index of the first number of a strided sample, so that samples of runs differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """One activation to measure.

    Args:
        value: Its name in the graph.
        channel: Axis of its channels: 1 for convolutions, -1 for matrix products.
    """

    value: str
    channel: int


def taps_of(layers: Sequence[Layer], *, outputs: bool) -> tuple[Tap, ...]:
    """The activations that layers read and, with `outputs`, write; each once."""
    found: dict[str, Tap] = {}
    for layer in layers:
        channel = 1 if layer.node.op_type == "Conv" else -1
        for value in (layer.reads, *([layer.writes] if outputs else [])):
            found.setdefault(value.name or "", Tap(value=value.name or "", channel=channel))
    return tuple(found.values())


def tap_maxima(model: ir.Model, taps: Sequence[Tap]) -> None:
    """Add an output `V_maxima` for every tap, in place: the largest magnitude of each channel, `[C]`."""
    import onnx_ir as ir

    for tap in taps:
        value = _value(model, tap.value)
        if value.shape is None:
            raise ValueError(f"{tap.value} has no rank.")
        rank = value.shape.rank()
        others = [axis for axis in range(rank) if axis != tap.channel % rank]
        axes = _constant(model, f"{tap.value}_axes", np.array(others, np.int64))
        magnitude = ir.node("Abs", [value])
        largest = ir.node("ReduceMax", [magnitude.outputs[0], axes], attributes={"keepdims": 0})
        _append(model, f"{tap.value}_maxima", magnitude, largest)


def tap_samples(model: ir.Model, taps: Sequence[Tap], factors: Mapping[str, NDArray[np.float32]]) -> None:
    """Add an output `V_sample` for every tap, in place: at most `SAMPLE` numbers; and the input `OFFSET`, int64 `[1]`.

    Args:
        model: The graph.
        taps: The activations to measure.
        factors: By value, factors of its channels (the last axis), `[C]`, applied before sampling.
    """
    import onnx_ir as ir

    offset = ir.Value(name=OFFSET, shape=ir.Shape([1]), type=ir.TensorType(ir.DataType.INT64))
    model.graph.inputs.append(offset)
    flat = _constant(model, "tap_flat", np.array([-1], np.int64))
    one = _constant(model, "tap_one", np.array([1], np.int64))
    count = _constant(model, "tap_count", np.array([SAMPLE], np.int64))
    end = _constant(model, "tap_end", np.array([1 << 62], np.int64))
    first = _constant(model, "tap_first", np.array([0], np.int64))
    for tap in taps:
        value = _value(model, tap.value)
        nodes = []
        if tap.value in factors:
            factor = _constant(model, f"{tap.value}_factor", factors[tap.value])
            nodes.append(ir.node("Mul", [value, factor]))
            value = nodes[-1].outputs[0]
        nodes.append(ir.node("Reshape", [value, flat]))
        row = nodes[-1].outputs[0]
        size = ir.node("Shape", [row])
        share = ir.node("Div", [size.outputs[0], count])
        stride = ir.node("Add", [share.outputs[0], one])
        start = ir.node("Mod", [offset, stride.outputs[0]])
        sample = ir.node("Slice", [row, start.outputs[0], end, first, stride.outputs[0]])
        _append(model, f"{tap.value}_sample", *nodes, size, share, stride, start, sample)


class GraphRunner:
    """Runs a graph on recorded inputs; its session keeps no memory between runs.

    Args:
        model: The graph; weights that were not changed are still beside `source`.
        source: The file that it was loaded from.
        threads: Threads of a run; None for `processors()`.
    """

    def __init__(self, model: ir.Model | Path, source: Path, threads: int | None = None) -> None:
        import onnx_ir as ir
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        # keep the order of the graph, in which a tap follows its activation: else all activations live until the end
        options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
        options.intra_op_num_threads = threads or processors()
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(source.parent))
        if isinstance(model, Path):
            model = ir.load(model)
        else:
            # layout optimisations would put nodes between the two, which come last
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        fuse_attention(model)  # else the attention scores are by far the largest activations
        graph = ir.to_proto(model).SerializeToString()  # the weights stay in their file
        self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._outputs = [value.name for value in self._session.get_outputs()]

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; outputs by name."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))


def add_maxima(run: GraphRunner, inputs: Arrays, maxima: dict[str, NDArray[np.float32]]) -> None:
    """Update `maxima` (by value, `[C]`) with those of one run, in place."""
    for name, array in run(inputs).items():
        value = name.removesuffix("_maxima")
        if value != name:
            maxima[value] = np.maximum(maxima[value], array) if value in maxima else array


def add_samples(run: GraphRunner, inputs: Arrays, offset: int, histograms: Mapping[str, Histogram]) -> None:
    """Add one run's samples to the histograms."""
    for name, array in run({**inputs, OFFSET: np.array([offset], np.int64)}).items():
        value = name.removesuffix("_sample")
        if value != name:
            histograms[value].add(array)


def _value(model: ir.Model, name: str) -> ir.Value:
    for value in model.graph.inputs:
        if value.name == name:
            return value
    for node in model.graph:
        for value in node.outputs:
            if value.name == name:
                return value
    raise ValueError(f"The graph has no value {name}.")


def _constant(model: ir.Model, name: str, array: NDArray[Any]) -> ir.Value:
    import onnx_ir as ir

    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
    model.graph.register_initializer(value)
    return value


def _append(model: ir.Model, name: str, *nodes: ir.Node) -> None:
    """Add nodes right after the value that they read; their last output, float32 `[N]`, becomes a graph output."""
    import onnx_ir as ir

    value = nodes[0].inputs[0]
    after = None if value is None else value.producer()
    if after is None:
        model.graph.insert_before(model.graph[0], nodes)
    else:
        model.graph.insert_after(after, nodes)
    result = nodes[-1].outputs[0]
    result.name, result.type, result.shape = name, ir.TensorType(ir.DataType.FLOAT), ir.Shape([None])
    model.graph.outputs.append(result)
