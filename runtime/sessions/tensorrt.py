"""TensorRT and TensorRT for RTX sessions: everything stays on the GPU, and a run is only enqueued."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from latentlink.engine.targets.tensorrt_module import import_tensorrt
from latentlink.errors import UsageError
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.gpu.cuda import Cuda, this_gpu
from latentlink.runtime.sessions.gpu.cuda_session import CudaSession
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.gpu.tensorrt_context import ShapedContext
from latentlink.runtime.sessions.gpu.tensorrt_plan import TensorrtPlan

SETS = 4
"""Number of sets of shapes that an engine keeps contexts and graphs for; the least recently used is dropped."""


def open_session(path: Path, target: str, threads: int | None, low_memory: bool, *, graphs: bool = True) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`.

    Args:
        path: The plan.
        target: `tensorrt` or `tensorrt-rtx`.
        threads: Has no effect on a GPU.
        low_memory: Whether sizes vary, so that graphs are not worth their memory.
        graphs: Whether to capture CUDA graphs.

    Raises:
        PreflightError: TensorRT, cuda-python or a GPU is missing, or the plan is for another GPU.
        BundleError: The plan is damaged, or of another version of TensorRT.
        MemoryError: The GPU does not have enough memory for it.
    """
    return TensorrtSession(path, target, import_tensorrt(target), this_gpu(), graphs=graphs and not low_memory)


class TensorrtSession(CudaSession):
    """A TensorRT engine with its state in device memory.

    Args:
        path: The plan.
        target: `tensorrt` or `tensorrt-rtx`.
        trt: The module of that target.
        cuda: The GPU.
        graphs: Whether to capture CUDA graphs.
    """

    def __init__(self, path: Path, target: str, trt: Any, cuda: Cuda, *, graphs: bool = True) -> None:
        with cuda.opening():
            self._plan = TensorrtPlan(path, target, trt, cuda)
        # streamed weights are copied during a run; a context with memory of its own has it for the largest sizes
        self._graphs = graphs and not self._plan.streams
        self._sets = 1 if self._plan.streams else SETS
        self._contexts: dict[tuple[tuple[int, ...], ...], ShapedContext] = {}
        give_back = partial(_give_back, self._plan, self._contexts)
        super().__init__(cuda, self._plan.title, self._plan.inputs, self._plan.outputs, give_back)

    @property
    def captured(self) -> int:
        """Number of sets of shapes that a CUDA graph replays."""
        return sum(context.captured for context in self._contexts.values())

    def _run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        feeds = self._check_buffers("reads", self._reads, inputs)
        shapes = {name: feeds[name].shape for name in self._reads}
        for name, shape in shapes.items():
            self._check_shape(name, shape)
        began = perf_counter()
        with self._cuda.lock:
            CLOCK.waited_since(began)
            context = self._context(shapes)
            missing = [name for name in context.outputs if outputs.get(name) is None]
            made = {name: DeviceBuffer(self._cuda, *context.outputs[name]) for name in missing}
            wanted = {name: buffer for name, buffer in outputs.items() if buffer is not None}
            written = self._check_buffers("writes", self._writes, {**made, **wanted})
            self._check_written(written, {name: shape for name, (shape, _) in context.outputs.items()})
            with self._timing(written):
                context.run(feeds, written)
            self._plan.check()
        return {name: written[name] for name in outputs}

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        low, high = self._plan.sizes[name]
        if len(shape) == len(low) and all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
            return
        fits = str(list(low)) if low == high else f"{list(low)} to {list(high)}"
        raise UsageError(
            f"The engine {self._title} was built for {name} of shape {fits}, but received {list(shape)}.",
            remedy="Use a size it was built for, or build the bundle for this one: latentlink build EXPORTED BUNDLE "
            "--width --height --batch.",
        )

    def _context(self, shapes: Mapping[str, tuple[int, ...]]) -> ShapedContext:
        """The context of a set of shapes, made if there is none; the most recently used set comes last."""
        key = tuple(shapes.values())
        context = self._contexts.pop(key, None)
        if context is None:
            while len(self._contexts) >= self._sets:
                self._drop(next(iter(self._contexts)))
            context = ShapedContext(
                self._cuda,
                self._plan.context(),
                shapes,
                self._writes,
                self._plan.failure,
                self._plan.forget_failures,
                shares=not self._plan.streams,
                graphs=self._graphs,
            )
        self._contexts[key] = context
        return context

    def _drop(self, key: tuple[tuple[int, ...], ...]) -> None:
        """Release a context once it no longer runs."""
        self._cuda.synchronize()
        self._contexts.pop(key).forget()

    def placement(self) -> Mapping[str, int]:
        """Empty: the whole engine runs on the GPU."""
        return {}

    def refit(self, graph: Path) -> None:
        """Replace the engine's weights by those of an ONNX graph with the same nodes and ports.

        Args:
            graph: ONNX file of this component from another export; its weights may lie beside it.

        Raises:
            UsageError: The engine is closed.
            BundleError: The engine was not built for refitting, or the graph does not have all its weights; the engine
                keeps its own weights then. If TensorRT fails while it replaces them, the engine is closed.
        """
        with self._turn, self._cuda.lock:
            self._check_open()
            put = self._plan.weights(graph)
            for context in self._contexts.values():
                context.forget()
            self._cuda.synchronize()
            if not put():
                try:
                    raise self._plan.failure()
                finally:
                    self.close()
            self._plan.check()


def _give_back(plan: TensorrtPlan, contexts: dict[Any, ShapedContext]) -> None:
    try:
        for context in contexts.values():
            context.forget()
    finally:
        contexts.clear()
        plan.close()
