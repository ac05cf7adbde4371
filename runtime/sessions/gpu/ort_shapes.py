"""An ONNX Runtime engine on a GPU at one set of shapes: the sizes of its outputs, and the CUDA graph of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from latentlink.runtime.sessions.failures import by_the_caller
from latentlink.runtime.sessions.gpu.cuda import Cuda
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.ort_engine import OrtEngine

NO_GRAPH = -1
"""Graph number with which ONNX Runtime neither captures nor replays a run."""


class ShapedRuns:
    """Runs at one set of input shapes.

    A captured graph reads and writes the addresses that it was captured with, while a run changes its buffers from step
    to step: so the graph has buffers of its own, and inputs and outputs are copied inside the device.

    Args:
        cuda: The GPU, on whose stream the engine runs.
        engine: The engine.
        inputs: A buffer of these shapes for every input, for a first run: ONNX Runtime knows output shapes only after
            one.
        outputs: dtype of every output.
        graph: Number of the graph to capture runs as; None to capture none.

    Raises:
        BundleError, MemoryError: The first run failed.
    """

    def __init__(
        self,
        cuda: Cuda,
        engine: OrtEngine,
        inputs: Mapping[str, DeviceBuffer],
        outputs: Mapping[str, np.dtype[Any]],
        graph: int | None,
    ) -> None:
        self._cuda = cuda
        self._engine = engine
        self._graph = graph
        self._buffers: dict[str, DeviceBuffer] = {}
        self._binding: Any = None
        binding = self._bind(inputs, {})
        for name in outputs:
            binding.bind_output(name, "cuda")
        self._call(binding, NO_GRAPH)
        values = zip(outputs.items(), binding.get_outputs(), strict=True)
        self.outputs = {name: (tuple(value.shape()), dtype) for (name, dtype), value in values}
        """Shape and dtype of every output."""

    @property
    def captured(self) -> bool:
        """Whether runs replay a graph."""
        return self._binding is not None

    def run(self, inputs: Mapping[str, DeviceBuffer], outputs: Mapping[str, DeviceBuffer]) -> None:
        """Run once.

        Args:
            inputs: A buffer of this set's shapes for every input.
            outputs: A buffer of this set's shapes for every output.

        Raises:
            BundleError, MemoryError: It failed.
        """
        if self._graph is None:
            self._call(self._bind(inputs, outputs), NO_GRAPH)
            return
        if not self._buffers:
            made = {name: (buffer.shape, buffer.dtype) for name, buffer in inputs.items()} | self.outputs
            self._buffers = {name: DeviceBuffer(self._cuda, shape, dtype) for name, (shape, dtype) in made.items()}
        for name, buffer in inputs.items():
            self._buffers[name].follow(buffer)
        binding = self._binding or self._bind(
            {name: self._buffers[name] for name in inputs}, {name: self._buffers[name] for name in outputs}
        )
        self._call(binding, self._graph)  # the first call runs the engine, captures the run and replays it
        self._binding = binding
        for name, buffer in outputs.items():
            buffer.copy_from(self._buffers[name])

    def _bind(self, inputs: Mapping[str, DeviceBuffer], outputs: Mapping[str, DeviceBuffer]) -> Any:
        binding = self._engine.session.io_binding()
        for bind, buffers in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, buffer in buffers.items():
                bind(name, "cuda", 0, buffer.dtype.type, buffer.shape, buffer.pointer)
        return binding

    def _call(self, binding: Any, graph: int) -> None:
        options = ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(graph))
        # later work is on the same stream
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        try:
            self._engine.session.run_with_iobinding(binding, options)
        except Exception as error:  # onnxruntime raises a class of its own for every status
            if by_the_caller(error):
                raise
            raise self._engine.failure(error) from None
