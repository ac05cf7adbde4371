"""A TensorRT engine at one set of shapes: its execution context, and the CUDA graph that replays it.

TensorRT keeps the state of a set of shapes in the context, so that a graph stays valid only as long as its context
keeps its shapes: each set has a context of its own, and all contexts share one memory for activations in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from latentlink.errors import BundleError
from latentlink.runtime.sessions.gpu.cuda import Cuda
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer


class ShapedContext:
    """One set of input shapes of an engine.

    Args:
        cuda: The GPU.
        context: An execution context.
        shapes: Shape of every input.
        outputs: dtype of every output.
        failure: Makes the error that says why TensorRT failed.
        forget_failures: Forgets why it could not be captured.
        shares: Whether it uses the shared memory for activations, and has none of its own.
        graphs: Whether to capture the second run and replay it from then on.

    Raises:
        BundleError: TensorRT refuses the shapes, or does not know the output shapes before it runs.
    """

    def __init__(
        self,
        cuda: Cuda,
        context: Any,
        shapes: Mapping[str, tuple[int, ...]],
        outputs: Mapping[str, np.dtype[Any]],
        failure: Callable[[], Exception],
        forget_failures: Callable[[], None],
        *,
        shares: bool,
        graphs: bool,
    ) -> None:
        self.cuda = cuda
        self.context = context
        self.graphs = graphs
        self._shares = shares
        self._failure = failure
        self._forget_failures = forget_failures
        self._input_types: dict[str, np.dtype[Any]] = {}
        self._graph: Any = None
        self._buffers: dict[str, DeviceBuffer] = {}
        self._runs = 0
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise failure()
        try:
            unknown = context.infer_shapes()
        except RuntimeError:  # raised by TensorRT when it fails here
            raise failure() from None
        if unknown:
            raise failure()
        self.outputs = {name: (tuple(context.get_tensor_shape(name)), dtype) for name, dtype in outputs.items()}
        """Shape and dtype of every output."""
        for name, (shape, _) in self.outputs.items():
            if any(size < 0 for size in shape):
                raise BundleError(
                    f"The engine does not know the size of {name!r} before it runs: {list(shape)}.",
                    remedy="It is a fault of the export: report it.",
                )
        self._needed = int(context.update_device_memory_size_for_shapes()) if shares else 0
        self._memory = 0

    def run(self, inputs: Mapping[str, DeviceBuffer], outputs: Mapping[str, DeviceBuffer]) -> None:
        """Enqueue one run.

        Args:
            inputs: A buffer of this set's shapes for every input.
            outputs: A buffer of this set's shapes for every output.

        Raises:
            BundleError, MemoryError: It failed.
        """
        if self._shares:
            self._place()
        if self._graph is None and not (self.graphs and self._runs):
            self._bind({**inputs, **outputs})
            if not self.context.execute_async_v3(self.cuda.stream):
                raise self._failure()
            self._runs += 1
            return
        if self._graph is None and not self._try_capture(inputs):
            self.graphs = False
            self.run(inputs, outputs)
            return
        for name, buffer in inputs.items():
            self._buffers[name].follow(buffer)
        self.cuda.launch(self._graph)
        for name, buffer in outputs.items():
            buffer.copy_from(self._buffers[name])

    def _place(self) -> None:
        """Give the context the memory for its activations, if it has none or the memory has moved."""
        pointer, size = self.cuda.activations(self._needed)
        if pointer != self._memory:
            self.forget()
            self.context.set_device_memory(pointer, size)
            self._memory = pointer

    def _bind(self, buffers: Mapping[str, DeviceBuffer]) -> None:
        for name, buffer in buffers.items():
            if not self.context.set_tensor_address(name, buffer.pointer):
                raise self._failure()

    def _try_capture(self, inputs: Mapping[str, DeviceBuffer]) -> bool:
        """Capture a run if that is possible; plain runs need less memory."""
        try:
            well = self._capture(inputs)
        except MemoryError:
            well = False
        if not well:
            self._buffers = {}
            self._forget_failures()
        return well

    def _capture(self, inputs: Mapping[str, DeviceBuffer]) -> bool:
        """Capture a run on buffers that stay; False if the engine cannot be captured.

        Raises:
            MemoryError: There is no memory for the graph, or its buffers.
        """
        capturable = getattr(self.context, "is_stream_capturable", None)  # TensorRT for RTX since 1.2
        if capturable is not None and not capturable(self.cuda.stream):
            return False
        made = {name: (buffer.shape, buffer.dtype) for name, buffer in inputs.items()} | self.outputs
        self._buffers = {name: DeviceBuffer(self.cuda, shape, dtype) for name, (shape, dtype) in made.items()}
        self._bind(self._buffers)
        self._graph = self.cuda.capture(lambda: bool(self.context.execute_async_v3(self.cuda.stream)))
        return self._graph is not None

    @property
    def captured(self) -> bool:
        """Whether runs replay a graph."""
        return self._graph is not None

    def forget(self) -> None:
        """Release the graph, as what it was captured with has changed."""
        if self._graph is not None:
            self.cuda.destroy(self._graph)
        self._graph = None
        self._buffers = {}
        self._runs = 0
