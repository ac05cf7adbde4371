"""The GPU of this process, over NVIDIA's cuda-python: one stream, memory, copies, events, captured graphs.

Everything runs on one stream, so that each call sees what the calls before it made, and memory that is given back is
taken again only after what was using it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.targets import this_machine
from latentlink.engine.targets.table import CUDA_PYTHON
from latentlink.errors import DeviceError, PreflightError
from latentlink.runtime.sessions.gpu.pinned import PinnedRing

PINNED = 16 << 20
"""Bytes of the largest array that goes through pinned memory; larger ones are waited for."""


class Copy(NamedTuple):
    """One copy, for those who count them.

    Args:
        kind: `HostToDevice`, `DeviceToHost` or `DeviceToDevice`.
        size: Bytes.
    """

    kind: str
    size: int


def import_cuda() -> Any:
    """The module of the CUDA runtime's functions.

    Raises:
        PreflightError: It is not installed, or cannot be loaded.
    """
    try:
        return import_module("cuda.bindings.runtime")
    except (ImportError, OSError) as error:
        found = "it is not installed" if isinstance(error, ModuleNotFoundError) else f"it cannot be loaded ({error})"
        raise PreflightError(
            f"Engines for NVIDIA GPUs need {CUDA_PYTHON.title}, but {found}.",
            remedy=f"Install it: {CUDA_PYTHON.install}.",
        ) from None


@cache
def this_gpu() -> Cuda:
    """The first GPU. There is one object of it in a process: engines share its stream and its memory.

    Raises:
        PreflightError: There is none, or no driver, or cuda-python is not installed.
    """
    return Cuda(import_cuda())


class Cuda:
    """One GPU and one stream on it.

    Calls from several threads go one after the other: hold `lock` around those that belong together.

    Args:
        api: The module of `import_cuda`.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        error, count = api.cudaGetDeviceCount()
        if error != api.cudaError_t.cudaSuccess or not count:
            raise self._no_device(error)
        self.lock = RLock()
        self.copies: list[Copy] | None = None
        """Every copy is noted here where it is a list."""
        self.kept: dict[str, Any] = {}
        """What engines made on this GPU for those that come after them, by name, such as compiled kernels."""
        self._call("cudaSetDevice", 0)
        self._stream = self._call("cudaStreamCreateWithFlags", api.cudaStreamNonBlocking)
        self.stream = int(self._stream)
        """The stream as TensorRT takes it."""
        self._pinned = PinnedRing(api, self._call)
        self._pausing = False  # nothing may be given back now
        self._given_back: deque[int] = deque()
        self._abandoned: deque[Callable[[], None]] = deque()
        self._engines = 0
        self._activations = (0, 0)

    def _no_device(self, error: Any) -> PreflightError:
        """Why there is none. CUDA says of a machine without a driver too that the driver is insufficient."""
        driver = this_machine().driver
        if error == self._api.cudaError_t.cudaErrorInsufficientDriver and driver is not None:
            _, version = self._api.cudaRuntimeGetVersion()
            return PreflightError(
                f"The NVIDIA driver is too old for {CUDA_PYTHON.title}: it runs CUDA {driver[0]}.{driver[1]}, expected "
                f"{version // 1000}.{version % 1000 // 10} ({self._told(error)}).",
                remedy="Update the NVIDIA driver, or install cuda-bindings of the driver's CUDA version.",
            )
        why = f" ({self._told(error)})" if error != self._api.cudaError_t.cudaSuccess else ""
        return PreflightError(
            f"The engine needs an NVIDIA GPU, and this machine has no CUDA device{why}.",
            remedy="Run it on a machine with an NVIDIA GPU and its driver, or build the bundle for ort-cpu.",
        )

    def allocate(self, size: int) -> int:
        """Address of so many bytes of device memory, aligned for any use.

        Raises:
            MemoryError: There are not so many.
        """
        with self.lock:
            self._sweep()
            return int(self._call("cudaMallocAsync", max(size, 1), self._stream))

    def free(self, pointer: int) -> None:
        """Give memory back after all that was enqueued. Safe where Python's collector calls it, at any moment."""
        self._given_back.append(pointer)
        self._try_sweep()

    def abandon(self, give_back: Callable[[], None]) -> None:
        """Give back what an engine held that nobody closed, now or soon. Safe as `free` is.

        Args:
            give_back: Does it; it may wait for the GPU.
        """
        self._abandoned.append(give_back)
        self._try_sweep()

    def _try_sweep(self) -> None:
        if self.lock.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self.lock.release()

    def _sweep(self) -> None:
        # the collector may come here in the midst of it, and empty the queues
        with suppress(IndexError):
            while not self._pausing:
                self._abandoned.popleft()()
        with suppress(IndexError):
            while not self._pausing:
                self._api.cudaFreeAsync(self._given_back.popleft(), self._stream)

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """The collector gives nothing back meanwhile.

        A free that falls into a capture would become a part of the graph, and pinned memory may be about to be copied.
        """
        before, self._pausing = self._pausing, True
        try:
            yield
        finally:
            self._pausing = before
            self._sweep()

    def write(self, pointer: int, array: NDArray[Any]) -> None:
        """Copy an array to the device; it may be changed when this returns, while the copy may be under way."""
        array = np.ascontiguousarray(array)
        size = array.nbytes
        if not size:
            return
        with self.lock:
            if size > PINNED:
                self._copy("HostToDevice", pointer, array.ctypes.data, size)
                self.synchronize()
                return
            with self._paused():
                held, event = self._pinned.hold(array)
                self._copy("HostToDevice", pointer, held, size)
                self._call("cudaEventRecord", event, self._stream)

    def read(self, array: NDArray[Any], pointer: int) -> None:
        """Copy from the device into a contiguous array, and wait for it."""
        with self.lock:
            if array.nbytes:
                self._copy("DeviceToHost", array.ctypes.data, pointer, array.nbytes)
            self.synchronize()

    def move(self, to: int, pointer: int, size: int) -> None:
        """Copy inside the device."""
        with self.lock:
            if size:
                self._copy("DeviceToDevice", to, pointer, size)

    def zero(self, pointer: int, size: int) -> None:
        """Set device memory to zeros."""
        with self.lock:
            if size:
                self._call("cudaMemsetAsync", pointer, 0, size, self._stream)

    def _copy(self, kind: str, to: int, pointer: int, size: int) -> None:
        if self.copies is not None:
            self.copies.append(Copy(kind, size))
        self._call(
            "cudaMemcpyAsync", to, pointer, size, getattr(self._api.cudaMemcpyKind, f"cudaMemcpy{kind}"), self._stream
        )

    def synchronize(self) -> None:
        """Wait until all that was enqueued is done."""
        with self.lock:
            self._call("cudaStreamSynchronize", self._stream)

    def mark(self) -> Any:
        """An event at this point of the stream, for `seconds`."""
        with self.lock:
            event = self._call("cudaEventCreateWithFlags", self._api.cudaEventDefault)
            self._call("cudaEventRecord", event, self._stream)
            return event

    def seconds(self, begin: Any, end: Any) -> float:
        """Time between two marks, when the second is reached; both are used up."""
        with self.lock:
            self._call("cudaEventSynchronize", end)
            milliseconds = self._call("cudaEventElapsedTime", begin, end)
            for event in (begin, end):
                self._call("cudaEventDestroy", event)
            return float(milliseconds) / 1000

    def capture(self, enqueue: Callable[[], bool]) -> Any | None:
        """What `enqueue` enqueues, as a graph to launch; nothing of it runs now.

        Args:
            enqueue: Returns whether it went well.

        Returns:
            None where it cannot be captured.

        Raises:
            MemoryError: There is not enough for the graph.
        """
        api = self._api
        with self.lock:
            self._sweep()
            with self._paused():
                self._call(
                    "cudaStreamBeginCapture", self._stream, api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
                )
                try:
                    well = enqueue()
                finally:
                    error, graph = api.cudaStreamEndCapture(self._stream)
            if error != api.cudaError_t.cudaSuccess or not int(graph):
                api.cudaGetLastError()  # forget what was not allowed in a capture
                return None
            try:
                return self._call("cudaGraphInstantiate", graph, 0) if well else None
            finally:
                self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Any) -> None:
        """Enqueue a captured graph."""
        with self.lock:
            self._call("cudaGraphLaunch", graph, self._stream)

    def destroy(self, graph: Any) -> None:
        """Give a captured graph back, when all that was enqueued is done."""
        with self.lock:
            self.synchronize()
            self._call("cudaGraphExecDestroy", graph)

    def join(self) -> None:
        """Count an engine among those that share `activations`; each has to leave once."""
        with self.lock:
            self._engines += 1

    def leave(self) -> None:
        """The last engine that leaves gives back what they shared."""
        with self.lock:
            self._engines -= 1
            if self._engines:
                return
            (pointer, _), self._activations = self._activations, (0, 0)
            self.synchronize()
            if pointer:
                self.free(pointer)
            self._pinned.close()

    def activations(self, size: int) -> tuple[int, int]:
        """Address and size of memory that engines use while they run, one after the other: at least `size` bytes.

        It moves where it has to grow; graphs that were captured with another address cannot be launched any more.

        Raises:
            MemoryError: There is not enough.
        """
        with self.lock:
            pointer, held = self._activations
            if held < size:
                self._activations = (0, 0)
                if pointer:
                    self.free(pointer)
                self._activations = (self.allocate(size), size)
            return self._activations

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the CUDA runtime.

        Returns:
            What it returns beside its error.

        Raises:
            MemoryError: There is not enough.
            DeviceError: It failed in another way.
        """
        found: Sequence[Any] = getattr(self._api, name)(*arguments)
        if found[0] == self._api.cudaError_t.cudaErrorMemoryAllocation:
            raise MemoryError(f"The GPU has not enough memory: {name} says {self._told(found[0])}.")
        if found[0] != self._api.cudaError_t.cudaSuccess:
            raise DeviceError(
                f"The GPU failed: {name} says {self._told(found[0])}.",
                remedy="Start the program anew; if it happens again, look at the driver's log.",
            )
        return found[1] if len(found) > 1 else None

    def _told(self, error: Any) -> str:
        """Name and text of an error: `cudaErrorNoDevice: no CUDA-capable device is detected`."""
        return ": ".join(
            text.decode() for _, text in (self._api.cudaGetErrorName(error), self._api.cudaGetErrorString(error))
        )
