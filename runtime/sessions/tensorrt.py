"""TensorRT and TensorRT for RTX sessions: everything stays on the GPU, and a run only enqueues."""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.targets import TARGETS
from latentlink.engine.tensorrt_module import ErrorLog, error_log, import_tensorrt
from latentlink.errors import BundleError, DeviceError, PreflightError, UsageError
from latentlink.ports import Dim, Port
from latentlink.runtime.cuda import Cuda, this_gpu
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.readback import engine_title, read_port
from latentlink.runtime.sessions.tensorrt_context import ShapedContext

TYPES: Mapping[str, str] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
}
"""Ports' dtypes by the name of TensorRT's DataType."""

SETS = 4
"""Sets of shapes that an engine keeps contexts and graphs of; the one that was used longest ago makes room."""

TIMED = 64
"""Runs whose times are not added up yet, at most."""

REBUILD = "Build the bundle again: latentlink build EXPORTED BUNDLE."


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
        self._title = engine_title(path)
        self._trt = trt
        self._cuda = cuda
        self._graphs = graphs
        self._log: ErrorLog = error_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._open(path, f"{TARGETS[target].packages[0].title} {trt.__version__}")
        self._config = _runtime_config(trt, self._engine)
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        self.inputs = tuple(self._port(name, path) for name in names if self._reads(name))
        self.outputs = tuple(self._port(name, path) for name in names if not self._reads(name))
        self._contexts: dict[tuple[tuple[int, ...], ...], ShapedContext] = {}
        self._elapsed = 0.0
        self._marks: deque[tuple[Any, Any]] = deque()
        cuda.join(self)

    def _open(self, path: Path, title: str) -> Any:
        """The engine of a plan, which is read as far as TensorRT asks for it."""
        if not path.stat().st_size:
            raise BundleError(f"{title} cannot open {self._title}: the file is empty.", remedy=REBUILD)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as plan:
            self._check_validity(plan, title)
            engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._failed(f"is truncated or of another version, {title} cannot open it")
        return engine

    def _check_validity(self, plan: mmap.mmap, title: str) -> None:
        """Where the header tells it (TensorRT for RTX), whether the plan is for this GPU, driver and version."""
        if not hasattr(self._runtime, "get_engine_validity"):
            return
        validity, found = self._runtime.get_engine_validity(plan[: self._runtime.engine_header_size])
        if validity != self._trt.EngineValidity.INVALID:
            return
        kinds = self._trt.EngineInvalidityDiagnostics
        members = {name: int(getattr(kinds, name).value) for name in dir(kinds) if name.isupper()}
        listed = [name.replace("_", " ").lower() for name, bit in members.items() if int(found) & bit]
        if int(found) & members["MALFORMED_ENGINE"]:
            raise BundleError(f"{title} cannot open {self._title}: it is no plan, or a damaged one.", remedy=REBUILD)
        raise PreflightError(
            f"{title} cannot run {self._title} on this machine: {', '.join(listed) or 'it does not say why'}.",
            remedy=REBUILD,
        )

    def _reads(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT)

    def _port(self, name: str, path: Path) -> Port:
        """The port of one of the engine's own tensors; dimensions of one size in the profile have that size."""
        if self._engine.get_tensor_location(name) != self._trt.TensorLocation.DEVICE:
            raise BundleError(
                f"The engine {path.name} reads or writes {name!r} on the host; expected all its tensors on the GPU.",
                remedy="It is a fault of the export: report it.",
            )
        shape: list[Dim] = [
            low if low == high else f"d{axis}" for axis, (low, high) in enumerate(zip(*self._sizes(name), strict=True))
        ]
        found = self._engine.get_tensor_dtype(name).name
        return read_port(path, name, shape, dtype=TYPES.get(found), described=found)

    def _sizes(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Smallest and largest shape of a tensor; an output's free dimensions are -1 and unlimited."""
        shape = tuple(self._engine.get_tensor_shape(name))
        if -1 not in shape:
            return shape, shape
        if not self._reads(name):
            return shape, tuple(1 << 31 if size < 0 else size for size in shape)
        low, _, high = self._engine.get_tensor_profile_shape(name, 0)
        return tuple(low), tuple(high)

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
            UsageError: It was closed, or a shape is outside of what the engine was built for.
            BundleError: The engine failed.
            MemoryError: There is not enough for this size.
        """
        if self._engine is None:
            raise UsageError(
                f"The engine {self._title} is closed; expected an open one.", remedy="Load the bundle again."
            )
        feeds = self._checked("reads", self.inputs, inputs)
        for port in self.inputs:
            self._check_shape(port.tensor, feeds[port.tensor].shape)
        with self._cuda.lock:
            context = self._context({port.tensor: feeds[port.tensor].shape for port in self.inputs})
            made = {name: self._new(*context.outputs[name]) for name in context.outputs if outputs.get(name) is None}
            wanted = {name: buffer for name, buffer in outputs.items() if buffer is not None}
            written = self._checked("writes", self.outputs, {**made, **wanted})
            for name, (shape, _) in context.outputs.items():
                if written[name].shape != shape:
                    raise UsageError(
                        f"The engine {self._title} writes {name} of shape {list(shape)}, but received a buffer of "
                        f"shape {list(written[name].shape)} for it."
                    )
            begin = self._cuda.mark()
            try:
                context.run(feeds, written)
            finally:
                self._marks.append((begin, self._cuda.mark()))
            if len(self._marks) > TIMED:
                self._elapsed += self._cuda.seconds(*self._marks.popleft())
        return {name: written[name] for name in outputs}

    def _checked(self, verb: str, ports: Sequence[Port], given: Mapping[str, Buffer]) -> dict[str, DeviceBuffer]:
        """Buffers by tensor name, which have to be all of the engine's, of its types: it would not look at them."""
        if given.keys() != {port.tensor for port in ports}:
            raise BundleError(
                f"The engine {self._title} {verb} {', '.join(port.tensor for port in ports)}, but received "
                f"{', '.join(given)}."
            )
        buffers = {name: cast(DeviceBuffer, buffer) for name, buffer in given.items()}
        for port in ports:
            if buffers[port.tensor].dtype != port.dtype:
                raise UsageError(
                    f"The engine {self._title} {verb} {port.tensor} as {port.dtype}, but received "
                    f"{buffers[port.tensor].dtype}."
                )
        return buffers

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        low, high = self._sizes(name)
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
            while len(self._contexts) >= SETS:
                self._drop(next(iter(self._contexts)))
            made = self._engine.create_execution_context(self._config)
            if made is None:
                raise self._failed()
            types = {port.tensor: np.dtype(port.dtype) for port in self.outputs}
            context = ShapedContext(self._cuda, made, shapes, types, self._failed, graphs=self._graphs)
        self._contexts[key] = context
        return context

    def _drop(self, key: tuple[tuple[int, ...], ...]) -> None:
        """Give a context back, when it is no longer at work."""
        self._cuda.synchronize()
        self._contexts.pop(key).forget()

    def _failed(self, how: str = "failed") -> Exception:
        """Why TensorRT failed, by its own words."""
        said = self._log.said()
        if "outofmemory" in said.lower().replace(" ", ""):
            return MemoryError(f"The GPU has not enough memory for {self._title}: {said}.")
        return BundleError(f"The engine {self._title} {how}: {said}.", remedy=REBUILD)

    def placement(self) -> Mapping[str, int]:
        """Nothing: all of an engine runs on the GPU."""
        return {}

    def elapsed(self) -> float:
        """Seconds that all runs took on the GPU; waits for those that are not done."""
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
        if self._engine is None:
            raise UsageError(
                f"The engine {self._title} is closed; expected an open one.", remedy="Load the bundle again."
            )
        if not self._engine.refittable:
            raise BundleError(
                f"The weights of {self._title} cannot be replaced: it was not built for that.",
                remedy="Build it with --refit.",
            )
        refitter = self._trt.Refitter(self._engine, self._log)
        parser = self._trt.OnnxParserRefitter(refitter, self._log)
        read = parser.refit_from_file(str(graph))
        missing = refitter.get_missing_weights()
        if not read or missing:
            why = f"it lacks {', '.join(missing[:3])}" if missing else self._log.said()
            raise BundleError(
                f"{graph.name} does not have the weights of {self._title}: {why}.",
                remedy="Take the graph of an export of the same family and precision.",
            )
        with self._cuda.lock:
            for context in self._contexts.values():
                context.forget()
            self._cuda.synchronize()
            if not refitter.refit_cuda_engine():
                error = self._failed()
                self.close()
                raise error

    def close(self) -> None:
        """Give back the engine's memory."""
        if self._engine is None:
            return
        # after a GPU failed every call to it fails; what went wrong was told then
        with self._cuda.lock, suppress(DeviceError):
            try:
                self.elapsed()
                for key in [*self._contexts]:
                    self._drop(key)
            finally:
                self._contexts.clear()
                self._config = self._engine = self._runtime = None
                self._cuda.leave(self)


def _runtime_config(trt: Any, engine: Any) -> Any:
    """What contexts are made with: no memory of their own, and whatever TensorRT for RTX has to be told."""
    strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    if not hasattr(engine, "create_runtime_config"):  # TensorRT before 10.9
        return strategy
    config = engine.create_runtime_config()
    config.set_execution_context_allocation_strategy(strategy)
    if hasattr(config, "cuda_graph_strategy"):
        # graphs are captured here, once kernels of the very shapes are compiled: later ones would not get into them
        config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED
        config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        config.set_runtime_cache(config.create_runtime_cache())  # contexts share what was compiled for them
    return config
