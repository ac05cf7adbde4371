"""TensorRT and TensorRT for RTX sessions: everything stays on the GPU, and a run only enqueues."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from latentlink.engine.targets.tensorrt_module import import_tensorrt
from latentlink.errors import UsageError
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.gpu.cuda import Cuda, this_gpu
from latentlink.runtime.sessions.gpu.cuda_session import CudaSession
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.tensorrt_context import ShapedContext
from latentlink.runtime.sessions.tensorrt_plan import Plan

SETS = 4
"""Sets of shapes that an engine keeps contexts and graphs of; the one that was used longest ago makes room."""


def open_session(path: Path, target: str, threads: int | None, low_memory: bool, *, graphs: bool = True) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`.

    Args:
        path: The plan.
        target: `tensorrt` or `tensorrt-rtx`.
        threads: Without meaning on a GPU.
        low_memory: Whether sizes vary, so that graphs are not worth their memory.
        graphs: Whether to capture CUDA graphs.

    Raises:
        PreflightError: TensorRT, cuda-python or a GPU is missing, or the plan is for another one.
        BundleError: The plan is damaged, or of another version of TensorRT.
        MemoryError: The GPU has not enough memory for it.
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
        self._plan = Plan(path, target, trt, cuda)
        # streamed weights are copied as it runs; a context that has its own memory has it for the largest sizes
        self._graphs = graphs and not self._plan.streams
        self._sets = 1 if self._plan.streams else SETS
        self._contexts: dict[tuple[tuple[int, ...], ...], ShapedContext] = {}
        give_back = partial(_give_back, self._plan, self._contexts)
        super().__init__(cuda, self._plan.title, self._plan.inputs, self._plan.outputs, give_back)

    @property
    def captured(self) -> int:
        """Sets of shapes that are replayed by a CUDA graph."""
        return sum(context.captured for context in self._contexts.values())

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Enqueue one run; see `Session.run`.

        Raises:
            UsageError: It was closed, or a shape or type is not what the engine was built for.
            BundleError: The engine failed.
            MemoryError: There is not enough for this size.
        """
        self._check_open()
        feeds = self._checked("reads", self._reads, inputs)
        shapes = {name: feeds[name].shape for name in self._reads}
        for name, shape in shapes.items():
            self._check_shape(name, shape)
        with self._cuda.lock:
            context = self._context(shapes)
            missing = [name for name in context.outputs if outputs.get(name) is None]
            made = {name: DeviceBuffer(self._cuda, *context.outputs[name]) for name in missing}
            wanted = {name: buffer for name, buffer in outputs.items() if buffer is not None}
            written = self._checked("writes", self._writes, {**made, **wanted})
            self._check_written(written, {name: shape for name, (shape, _) in context.outputs.items()})
            with self._timed():
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
            remedy="Take a size it was built for, or build the bundle for this one: latentlink build EXPORTED BUNDLE "
            "--width --height --batch.",
        )

    def _context(self, shapes: Mapping[str, tuple[int, ...]]) -> ShapedContext:
        """The context of a set of shapes, made where there is none; the set used last comes last."""
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
                self._plan.failed,
                shares=not self._plan.streams,
                graphs=self._graphs,
            )
        self._contexts[key] = context
        return context

    def _drop(self, key: tuple[tuple[int, ...], ...]) -> None:
        """Give a context back, when it is no longer at work."""
        self._cuda.synchronize()
        self._contexts.pop(key).forget()

    def placement(self) -> Mapping[str, int]:
        """Nothing: all of an engine runs on the GPU."""
        return {}

    def refit(self, graph: Path) -> None:
        """Replace the engine's weights by those of an ONNX graph of the same nodes and ports.

        Args:
            graph: What another export wrote for this component; its weights may lie beside it.

        Raises:
            UsageError: The engine is closed.
            BundleError: The engine was not built for it, or the graph does not have all its weights. The engine keeps
                its own weights then, unless TensorRT fails while it replaces them: it is closed in that case.
        """
        self._check_open()
        put = self._plan.weights(graph)
        with self._cuda.lock:
            for context in self._contexts.values():
                context.forget()
            self._cuda.synchronize()
            if not put():
                try:
                    raise self._plan.failed()
                finally:
                    self.close()
            self._plan.check()


def _give_back(plan: Plan, contexts: dict[Any, ShapedContext]) -> None:
    try:
        for context in contexts.values():
            context.forget()
    finally:
        contexts.clear()
        plan.close()
