"""TensorRT and TensorRT for RTX sessions: everything stays on the GPU, and a run only enqueues."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.tensorrt_module import import_tensorrt
from latentlink.errors import BundleError, DeviceError, UsageError
from latentlink.ports import Port
from latentlink.runtime.cuda import Cuda, this_gpu
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.tensorrt_context import ShapedContext
from latentlink.runtime.sessions.tensorrt_plan import Plan

SETS = 4
"""Sets of shapes that an engine keeps contexts and graphs of; the one that was used longest ago makes room."""

TIMED = 64
"""Runs whose times are not added up yet, at most."""


def open_session(path: Path, target: str, threads: int | None, varied: bool, *, graphs: bool = True) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`.

    Args:
        path: The plan.
        target: `tensorrt` or `tensorrt-rtx`.
        threads: Without meaning on a GPU.
        varied: Whether sizes vary, so that graphs are not worth their memory.
        graphs: Whether to capture CUDA graphs.

    Raises:
        PreflightError: TensorRT, cuda-python or a GPU is missing, or the plan is for another one.
        BundleError: The plan is damaged, or of another version of TensorRT.
        MemoryError: The GPU has not enough memory for it.
    """
    return TensorrtSession(path, target, import_tensorrt(target), this_gpu(), graphs=graphs and not varied)


class TensorrtSession:
    """A TensorRT engine with its state in device memory.

    Args:
        path: The plan.
        target: `tensorrt` or `tensorrt-rtx`.
        trt: The module of that target.
        cuda: The GPU.
        graphs: Whether to capture CUDA graphs.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __init__(self, path: Path, target: str, trt: Any, cuda: Cuda, *, graphs: bool = True) -> None:
        self._plan = Plan(path, target, trt, cuda)
        self.inputs, self.outputs = self._plan.inputs, self._plan.outputs
        # by tensor name: putting a name together at every run would take as long as the run's calls
        self._reads = {port.tensor: np.dtype(port.dtype) for port in self.inputs}
        self._writes = {port.tensor: np.dtype(port.dtype) for port in self.outputs}
        self._cuda = cuda
        # streamed weights are copied as it runs; a context that has its own memory has it for the largest sizes
        self._graphs = graphs and not self._plan.streams
        self._sets = 1 if self._plan.streams else SETS
        self._contexts: dict[tuple[tuple[int, ...], ...], ShapedContext] = {}
        self._elapsed = 0.0
        self._marks: deque[tuple[Any, Any]] = deque()
        cuda.join()
        left = partial(_give_back, cuda, self._plan, self._contexts, self._marks)
        self._abandoned = finalize(self, cuda.abandon, left)
        self._abandoned.atexit = False  # the driver may be gone by then

    @property
    def captured(self) -> int:
        """Sets of shapes that are replayed by a CUDA graph."""
        return sum(context.captured for context in self._contexts.values())

    def upload(self, array: NDArray[Any]) -> Buffer:
        """A buffer with the array's values."""
        made = self._new(array.shape, array.dtype)
        made.write(array)
        return made

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        return self._new(shape, dtype)

    def _new(self, shape: Sequence[int], dtype: np.dtype[Any]) -> DeviceBuffer:
        return DeviceBuffer(self._cuda, shape, np.dtype(dtype))

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""
        cast(DeviceBuffer, buffer).write(array)

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer, copied where it lies elsewhere."""
        return buffer if isinstance(buffer, DeviceBuffer) else self.upload(buffer.numpy())

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of some rows of one; see `Session.gather`."""
        return cast(DeviceBuffer, buffer).gather(rows, shape)

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
            made = {name: self._new(*context.outputs[name]) for name in context.outputs if outputs.get(name) is None}
            wanted = {name: buffer for name, buffer in outputs.items() if buffer is not None}
            written = self._checked("writes", self._writes, {**made, **wanted})
            for name, (shape, _) in context.outputs.items():
                if written[name].shape != shape:
                    raise UsageError(
                        f"The engine {self._plan.title} writes {name} of shape {list(shape)}, but received a buffer of "
                        f"shape {list(written[name].shape)} for it."
                    )
            begin = self._cuda.mark()
            try:
                context.run(feeds, written)
            finally:
                self._marks.append((begin, self._cuda.mark()))
            self._plan.check()
            if len(self._marks) > TIMED:
                self._elapsed += self._cuda.seconds(*self._marks.popleft())
        return {name: written[name] for name in outputs}

    def _check_open(self) -> None:
        if not self._plan.open:
            raise UsageError(
                f"The engine {self._plan.title} is closed; expected an open one.", remedy="Load the bundle again."
            )

    def _checked(
        self, verb: str, types: Mapping[str, np.dtype[Any]], given: Mapping[str, Buffer]
    ) -> dict[str, DeviceBuffer]:
        """Buffers by tensor name, which have to be all of the engine's, of its types: it would not look at them."""
        if given.keys() != types.keys():
            raise BundleError(
                f"The engine {self._plan.title} {verb} {', '.join(types)}, but received {', '.join(given)}."
            )
        buffers = {name: cast(DeviceBuffer, buffer) for name, buffer in given.items()}
        for name, dtype in types.items():
            if buffers[name].dtype != dtype:
                raise UsageError(
                    f"The engine {self._plan.title} {verb} {name} as {dtype}, but received {buffers[name].dtype}."
                )
        return buffers

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        low, high = self._plan.sizes[name]
        if len(shape) == len(low) and all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
            return
        fits = str(list(low)) if low == high else f"{list(low)} to {list(high)}"
        raise UsageError(
            f"The engine {self._plan.title} was built for {name} of shape {fits}, but received {list(shape)}.",
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

    def elapsed(self) -> float:
        """Seconds that all runs took on the GPU; waits for those that are not done."""
        with self._cuda.lock:
            while self._marks:
                self._elapsed += self._cuda.seconds(*self._marks.popleft())
            return self._elapsed

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

    def close(self) -> None:
        """Give back the engine's memory."""
        if not self._plan.open:
            return
        self._abandoned.detach()
        with self._cuda.lock:
            with suppress(DeviceError):
                self.elapsed()
            _give_back(self._cuda, self._plan, self._contexts, self._marks)


def _give_back(cuda: Cuda, plan: Plan, contexts: dict[Any, ShapedContext], marks: deque[tuple[Any, Any]]) -> None:
    """What a session holds, when it is closed or nobody has it any more."""
    # after a GPU failed every call to it fails; what went wrong was told then
    with cuda.lock, suppress(DeviceError):
        try:
            cuda.synchronize()
            while marks:
                cuda.seconds(*marks.popleft())
            for context in contexts.values():
                context.forget()
        finally:
            contexts.clear()
            plan.close()
            cuda.leave()
