"""The GPU of this process, over NVIDIA's cuda-python: one stream, memory, copies, events, captured graphs.

Everything runs on one stream, so that each call sees the results of the calls before it, and freed memory is reused
only after its last use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from threading import Lock, RLock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.targets import this_machine
from latentlink.engine.targets.table import CUDA_PYTHON
from latentlink.errors import DeviceError, PreflightError
from latentlink.runtime.sessions.gpu.pinned import PinnedRing

PINNED = 16 << 20
"""Bytes of the largest array that is copied through pinned memory; the host waits for copies of larger ones."""


UNLIMITED = (1 << 64) - 1
"""Bytes of freed memory that stay with this process, for its next buffers."""


class Copy(NamedTuple):
    """One recorded copy.

    Args:
        kind: `HostToDevice`, `DeviceToHost` or `DeviceToDevice`.
        size: Size in bytes.
    """

    kind: str
    size: int


def import_cuda() -> Any:
    """Import the module of the CUDA runtime's functions.

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


def unsigned(value: int) -> Any:
    """A number of 64 bits, as the CUDA runtime's functions take it by address."""
    return import_module("cuda.bindings.driver").cuuint64_t(value)


_FIRST = Lock()


def this_gpu() -> Cuda:
    """The first GPU. A process has one object of it: engines share its stream and its memory.

    Raises:
        PreflightError: There is none, or no driver, or cuda-python is not installed.
    """
    with _FIRST:  # two threads that open their first engines at once get the same object
        return _this_gpu()


@cache
def _this_gpu() -> Cuda:
    return Cuda(import_cuda())


class Cuda:
    """One GPU and one stream on it.

    Calls from several threads run one after the other; hold `lock` around calls that belong together.

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
        """Every copy is recorded here if this is a list."""
        self.shared: dict[str, Any] = {}
        """Objects that engines on this GPU share with later ones, by name, such as compiled kernels."""
        self._call("cudaSetDevice", 0)
        self._stream = self._call("cudaStreamCreateWithFlags", api.cudaStreamNonBlocking)
        self.stream = int(self._stream)
        """The stream's handle, as TensorRT takes it."""
        self._pool = self._call("cudaDeviceGetDefaultMemPool", 0)
        # by default every synchronisation would give back what is free, and each step would allocate it again
        threshold = api.cudaMemPoolAttr.cudaMemPoolAttrReleaseThreshold
        self._call("cudaMemPoolSetAttribute", self._pool, threshold, unsigned(UNLIMITED))
        self._pinned = PinnedRing(api, self._call)
        self._pausing = False  # whether nothing may be freed now
        self._pending_frees: deque[int] = deque()
        self._pending_cleanups: deque[Callable[[], None]] = deque()
        self._engines = 0
        self._activations = (0, 0)

    def _no_device(self, error: Any) -> PreflightError:
        """Why there is no GPU. CUDA reports an insufficient driver also on a machine without any driver."""
        driver = this_machine().driver
        if error == self._api.cudaError_t.cudaErrorInsufficientDriver and driver is not None:
            _, version = self._api.cudaRuntimeGetVersion()
            return PreflightError(
                f"The NVIDIA driver is too old for {CUDA_PYTHON.title}: it runs CUDA {driver[0]}.{driver[1]}, expected "
                f"{version // 1000}.{version % 1000 // 10} ({self._error_text(error)}).",
                remedy="Update the NVIDIA driver, or install cuda-bindings of the driver's CUDA version.",
            )
        why = f" ({self._error_text(error)})" if error != self._api.cudaError_t.cudaSuccess else ""
        return PreflightError(
            f"The engine needs an NVIDIA GPU, and this machine has no CUDA device{why}.",
            remedy="Run it on a machine with an NVIDIA GPU and its driver, or build the bundle for ort-cpu.",
        )

    def allocate(self, size: int) -> int:
        """Allocate device memory, aligned for any use; returns its address.

        Raises:
            MemoryError: There is not enough memory.
        """
        with self.lock:
            self._sweep()
            return int(self._call("cudaMallocAsync", max(size, 1), self._stream))

    @contextmanager
    def opening(self) -> Iterator[None]:
        """An engine is opened inside this block.

        No other thread captures meanwhile: ONNX Runtime captures in CUDA's global mode, in which an allocation of
        another thread fails and ends the capture. Freed memory is given back before, as libraries allocate their own.
        """
        with self.lock:
            self._give_back()
            yield

    def _give_back(self) -> None:
        """Give freed memory back to the GPU."""
        self._sweep()
        self._call("cudaStreamSynchronize", self._stream)
        self._call("cudaMemPoolTrimTo", self._pool, 0)

    def free(self, pointer: int) -> None:
        """Free memory after everything that was enqueued. Python's garbage collector may call it at any moment."""
        self._pending_frees.append(pointer)
        self._try_sweep()

    def abandon(self, give_back: Callable[[], None]) -> None:
        """Release, now or soon, what an engine holds that was not closed. The garbage collector may call it, as `free`.

        Args:
            give_back: Releases it; it may wait for the GPU.
        """
        self._pending_cleanups.append(give_back)
        self._try_sweep()

    def _try_sweep(self) -> None:
        if self.lock.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self.lock.release()

    def _sweep(self) -> None:
        # the garbage collector may call this function again meanwhile, and empty the queues
        with suppress(IndexError):
            while not self._pausing:
                self._pending_cleanups.popleft()()
        with suppress(IndexError):
            while not self._pausing:
                self._api.cudaFreeAsync(self._pending_frees.popleft(), self._stream)

    @contextmanager
    def _pause_frees(self) -> Iterator[None]:
        """The garbage collector frees nothing inside this block.

        A free during a capture would become a part of the graph, and pinned memory may be about to be copied.
        """
        before, self._pausing = self._pausing, True
        try:
            yield
        finally:
            self._pausing = before
            self._sweep()

    def write(self, pointer: int, array: NDArray[Any]) -> None:
        """Copy an array to the device; the caller may change it on return, even if the copy is still running."""
        array = np.ascontiguousarray(array)
        size = array.nbytes
        if not size:
            return
        with self.lock:
            if size > PINNED or not self._engines:  # after the last engine, nothing would release the pinned memory
                self._copy("HostToDevice", pointer, array.ctypes.data, size)
                self.synchronize()
                return
            with self._pause_frees():
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
        """Copy within the device."""
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
        """Wait until everything that was enqueued is done."""
        with self.lock:
            self._call("cudaStreamSynchronize", self._stream)

    def mark(self) -> Any:
        """Record an event at this point of the stream, for `seconds`."""
        with self.lock:
            event = self._call("cudaEventCreateWithFlags", self._api.cudaEventDefault)
            self._call("cudaEventRecord", event, self._stream)
            return event

    def seconds(self, begin: Any, end: Any) -> float:
        """Seconds between two marks; waits for the second one, and releases both."""
        with self.lock:
            self._call("cudaEventSynchronize", end)
            milliseconds = self._call("cudaEventElapsedTime", begin, end)
            for event in (begin, end):
                self._call("cudaEventDestroy", event)
            return float(milliseconds) / 1000

    def capture(self, enqueue: Callable[[], bool]) -> Any | None:
        """Capture what `enqueue` enqueues as a graph to launch; nothing of it runs now.

        Args:
            enqueue: Enqueues the work; returns whether it succeeded.

        Returns:
            The graph; None if the work cannot be captured.

        Raises:
            MemoryError: There is not enough memory for the graph; the work itself can still be enqueued.
        """
        api = self._api
        with self.lock:
            self._sweep()
            with self._pause_frees():
                self._call(
                    "cudaStreamBeginCapture", self._stream, api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
                )
                try:
                    well = enqueue()
                finally:
                    error, graph = api.cudaStreamEndCapture(self._stream)
            if error != api.cudaError_t.cudaSuccess or not int(graph):
                api.cudaGetLastError()  # clears the error of a call that is not allowed in a capture
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
        """Release a captured graph, after everything that was enqueued is done."""
        with self.lock:
            self.synchronize()
            self._call("cudaGraphExecDestroy", graph)

    def join(self) -> None:
        """Add an engine to those that share `activations`; each has to leave once."""
        with self.lock:
            self._engines += 1

    def leave(self) -> None:
        """Remove an engine; the last one to leave releases the shared memory."""
        with self.lock:
            self._engines -= 1
            if self._engines:
                return
            (pointer, _), self._activations = self._activations, (0, 0)
            self.synchronize()
            if pointer:
                self.free(pointer)
            self._pinned.close()
            self._give_back()

    def activations(self, size: int) -> tuple[int, int]:
        """Address and size of the memory that engines use in turn while they run: at least `size` bytes.

        It moves if it has to grow; graphs that were captured with another address can no longer be launched.

        Raises:
            MemoryError: There is not enough memory.
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
            What the function returns beside its error code.

        Raises:
            MemoryError: There is not enough memory.
            DeviceError: The function failed for another reason.
        """
        found: Sequence[Any] = getattr(self._api, name)(*arguments)
        if found[0] != self._api.cudaError_t.cudaSuccess:
            self._api.cudaGetLastError()  # or a library that asks next would take it for its own
        if found[0] == self._api.cudaError_t.cudaErrorMemoryAllocation:
            raise MemoryError(f"The GPU does not have enough memory: {name} reports {self._error_text(found[0])}.")
        if found[0] != self._api.cudaError_t.cudaSuccess:
            raise DeviceError(
                f"The GPU failed: {name} reports {self._error_text(found[0])}.",
                remedy="Restart the program; if it happens again, look at the driver's log.",
            )
        return found[1] if len(found) > 1 else None

    def _error_text(self, error: Any) -> str:
        """Name and text of an error: `cudaErrorNoDevice: no CUDA-capable device is detected`."""
        return ": ".join(
            text.decode() for _, text in (self._api.cudaGetErrorName(error), self._api.cudaGetErrorString(error))
        )
