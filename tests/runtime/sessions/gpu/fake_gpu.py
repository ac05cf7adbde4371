"""A GPU in numpy behind the functions of `cuda.bindings.runtime`, stricter than a real one.

Work is queued on the stream and done when somebody waits for it, as late as is allowed: pinned memory that is written
too early, or device memory that is given back too early, shows. What a real GPU would answer with silence or garbage is
an AssertionError.
"""

# ruff: noqa: N802, N815 - the names are CUDA's

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Work = Callable[[], None]

ALIGNMENT = 512
FIRST_ADDRESS = 1 << 46  # nothing of the host lies there: touching it from the host is a crash


class Error(IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class Kind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3


class CaptureMode(IntEnum):
    cudaStreamCaptureModeThreadLocal = 1


class PoolAttribute(IntEnum):
    cudaMemPoolAttrReleaseThreshold = 4


@dataclass(frozen=True)
class Unsigned:
    """A number that CUDA takes by its address; it takes no int of Python's."""

    value: int


@dataclass(eq=False)
class Pool:
    """The memory that the driver keeps for a process."""

    threshold: int = 0  # bytes that stay in it when the process synchronises
    reserved: int = 0  # bytes in use and bytes to be used again
    grown: int = 0  # times that it took more from the GPU


@dataclass(eq=False)
class Region:
    """Memory that was allocated."""

    pointer: int
    data: Bytes
    freed: bool = False  # asked to be given back; `data` stays until the stream gets there


@dataclass(eq=False)
class Event:
    timing: bool
    recorded: int = 0  # records that were enqueued
    reached: int = 0  # records that were passed
    time: float = 0.0  # milliseconds


@dataclass(eq=False)
class Graph:
    work: list[tuple[Work, Work]] = field(default_factory=list)  # what is checked at launch, what is done

    def __int__(self) -> int:
        return id(self)


class Stream:
    def __int__(self) -> int:
        return 77


def host(pointer: int, size: int) -> Bytes:
    """Memory of the host by its address."""
    import ctypes

    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(pointer))


class FakeCuda:
    """The module, and the GPU behind it: 1 ms a kernel."""

    cudaError_t = Error
    cudaMemcpyKind = Kind
    cudaStreamCaptureMode = CaptureMode
    cudaMemPoolAttr = PoolAttribute
    cudaStreamNonBlocking = 1
    cudaEventDefault = 0
    cudaEventBlockingSync = 1
    cudaEventDisableTiming = 2
    cudaHostAllocDefault = 0

    def __init__(self, capacity: int = 1 << 30, devices: int = 1) -> None:
        self.capacity = capacity
        self.devices = devices
        self.no_device = Error.cudaErrorNoDevice  # what it answers where there is none
        self.broken: Error | None = None  # what every call answers from now on
        self.calls: list[str] = []
        self.stream = Stream()
        self.pool = Pool()
        self.elsewhere = 0  # bytes that other libraries allocated
        self.last_error = Error.cudaSuccess  # of the last call that failed, until somebody asks
        self.queue: deque[Work] = deque()
        self.clock = 0.0
        self.regions: list[Region] = []
        self.pinned: list[Region] = []
        self.events: list[Event] = []
        self.graphs: list[Graph] = []
        self.capturing: Graph | None = None
        self.capture_broken = False
        self.instantiation = Error.cudaSuccess  # what making a graph to launch answers
        self._next_address = FIRST_ADDRESS

    def held(self) -> dict[str, int]:
        """What was not given back."""
        return {
            name: count
            for name, count in (
                ("device memory", len(self.regions)),
                ("pinned memory", len(self.pinned)),
                ("events", len(self.events)),
                ("graphs", len(self.graphs)),
            )
            if count
        }

    def count(self, name: str) -> int:
        """Calls of a function."""
        return Counter(self.calls)[name]

    def region(self, pointer: int, size: int, *, enqueued: bool = False) -> Region:
        """The device memory that some bytes lie in."""
        for region in self.regions:
            if region.pointer <= pointer and pointer + size <= region.pointer + len(region.data):
                assert enqueued or not region.freed, "device memory is used after it was given back"
                return region
        raise AssertionError(f"{size} bytes at {pointer:#x} are not in one piece of device memory")

    def view(self, pointer: int, size: int) -> Bytes:
        """Bytes of device memory, for work that is being done."""
        region = self.region(pointer, size, enqueued=True)
        return region.data[pointer - region.pointer :][:size]

    def _enter(self, name: str, stream: Any = None, *, captured: bool = False) -> Error:
        """Note a call; what it answers at once."""
        self.calls.append(name)
        assert stream is None or stream is self.stream, f"{name} is not on the one stream"
        if self.broken is not None:
            return self.broken
        if self.capturing is not None and not captured:
            self.capture_broken = True
            self.last_error = Error.cudaErrorStreamCaptureUnsupported
            return self.last_error
        return Error.cudaSuccess

    @property
    def used(self) -> int:
        """Bytes of device memory in use."""
        return sum(len(region.data) for region in self.regions if not region.freed)

    def allocate_elsewhere(self, size: int) -> bool:
        """What another library does that allocates for itself; whether there is room."""
        if self.pool.reserved + self.elsewhere + size > self.capacity:
            return False
        self.elsewhere += size
        return True

    def enqueue(self, check: Work, work: Work) -> None:
        """Put work on the stream, or into the graph that is being captured."""
        check()
        if self.capturing is not None:
            self.capturing.work.append((check, work))
        else:
            self.queue.append(work)

    def _drain(self) -> None:
        while self.queue:
            self.queue.popleft()()

    # Devices, errors, streams

    def cudaGetDeviceCount(self) -> tuple[Error, int | None]:
        self.calls.append("cudaGetDeviceCount")
        return (Error.cudaSuccess, self.devices) if self.devices else (self.no_device, None)

    def cudaRuntimeGetVersion(self) -> tuple[Error, int]:
        return Error.cudaSuccess, 13050

    def cudaSetDevice(self, device: int) -> tuple[Error]:
        assert device == 0
        return (self._enter("cudaSetDevice"),)

    def cudaGetErrorName(self, error: Error) -> tuple[Error, bytes]:
        return Error.cudaSuccess, error.name.encode()

    def cudaGetErrorString(self, error: Error) -> tuple[Error, bytes]:
        return Error.cudaSuccess, b"what the driver says of it"

    def cudaGetLastError(self) -> tuple[Error]:
        self.calls.append("cudaGetLastError")
        error, self.last_error = self.last_error, Error.cudaSuccess
        return (error,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Error, Stream]:
        assert flags == self.cudaStreamNonBlocking
        return self._enter("cudaStreamCreateWithFlags"), self.stream

    def cudaStreamSynchronize(self, stream: Stream) -> tuple[Error]:
        error = self._enter("cudaStreamSynchronize", stream)
        if not error:
            self._drain()
            self._trim(self.pool.threshold)
        return (error,)

    # Memory

    def cudaDeviceGetDefaultMemPool(self, device: int) -> tuple[Error, Pool]:
        assert device == 0
        return self._enter("cudaDeviceGetDefaultMemPool"), self.pool

    def cudaMemPoolSetAttribute(self, memPool: Pool, attr: PoolAttribute, value: Unsigned) -> tuple[Error]:
        assert memPool is self.pool
        assert isinstance(value, Unsigned)
        self.pool.threshold = value.value
        return (self._enter("cudaMemPoolSetAttribute"),)

    def cudaMemPoolTrimTo(self, memPool: Pool, minBytesToKeep: int) -> tuple[Error]:
        assert memPool is self.pool
        self._trim(minBytesToKeep)
        return (self._enter("cudaMemPoolTrimTo"),)

    def _trim(self, keep: int) -> None:
        self.pool.reserved = max(self.used, min(self.pool.reserved, keep))

    def cudaMallocAsync(self, size: int, stream: Stream) -> tuple[Error, int | None]:
        if error := self._enter("cudaMallocAsync", stream):
            return error, None
        assert size > 0
        if (wanted := self.used + size) > self.pool.reserved:
            if wanted + self.elsewhere > self.capacity:
                self.last_error = Error.cudaErrorMemoryAllocation
                return Error.cudaErrorMemoryAllocation, None
            self.pool.reserved = wanted
            self.pool.grown += 1
        region = Region(self._next_address, np.full(size, 0xFF, np.uint8))  # NaN in every float
        self._next_address += -(-size // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        self.regions.append(region)
        return Error.cudaSuccess, region.pointer

    def cudaFreeAsync(self, pointer: int, stream: Stream) -> tuple[Error]:
        if error := self._enter("cudaFreeAsync", stream):
            return (error,)
        (region,) = [region for region in self.regions if region.pointer == pointer]
        assert not region.freed, "device memory is given back twice"
        region.freed = True
        self.enqueue(lambda: None, lambda: self.regions.remove(region))
        return (Error.cudaSuccess,)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Error, int | None]:
        if error := self._enter("cudaHostAlloc"):
            return error, None
        data = np.zeros(size, np.uint8)
        self.pinned.append(Region(data.ctypes.data, data))
        return Error.cudaSuccess, data.ctypes.data

    def cudaFreeHost(self, pointer: int) -> tuple[Error]:
        if error := self._enter("cudaFreeHost"):
            return (error,)
        (region,) = [region for region in self.pinned if region.pointer == pointer]
        self.pinned.remove(region)
        return (Error.cudaSuccess,)

    def cudaMemcpyAsync(self, to: int, pointer: int, size: int, kind: Kind, stream: Stream) -> tuple[Error]:
        if error := self._enter(kind.name, stream, captured=kind is Kind.cudaMemcpyDeviceToDevice):
            return (error,)
        assert size > 0
        if kind is Kind.cudaMemcpyDeviceToDevice:

            def check() -> None:
                self.region(to, size), self.region(pointer, size)
                assert to + size <= pointer or pointer + size <= to, "the two areas overlap"

            def move() -> None:
                self.view(to, size)[:] = self.view(pointer, size)

            self.enqueue(check, move)
        elif kind is Kind.cudaMemcpyHostToDevice:
            self.region(to, size)
            pinned = any(r.pointer <= pointer and pointer + size <= r.pointer + len(r.data) for r in self.pinned)
            source = host(pointer, size)

            def write() -> None:
                self.view(to, size)[:] = source

            self.queue.append(write)
            if not pinned:  # is read before the call returns, and waits for what goes before
                self._drain()
        else:
            self.region(pointer, size)
            self._drain()
            host(to, size)[:] = self.view(pointer, size)
        return (Error.cudaSuccess,)

    def cudaMemsetAsync(self, pointer: int, value: int, size: int, stream: Stream) -> tuple[Error]:
        if error := self._enter("cudaMemsetAsync", stream, captured=True):
            return (error,)

        def check() -> None:
            self.region(pointer, size)

        self.enqueue(check, lambda: self.view(pointer, size).fill(value))
        return (Error.cudaSuccess,)

    # Events

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[Error, Event]:
        error = self._enter("cudaEventCreateWithFlags")
        event = Event(timing=not flags & self.cudaEventDisableTiming)
        self.events.append(event)
        return error, event

    def cudaEventRecord(self, event: Event, stream: Stream) -> tuple[Error]:
        if error := self._enter("cudaEventRecord", stream):
            return (error,)
        assert event in self.events
        event.recorded += 1

        def reach() -> None:
            event.reached += 1
            event.time = self.clock

        self.queue.append(reach)
        return (Error.cudaSuccess,)

    def cudaEventSynchronize(self, event: Event) -> tuple[Error]:
        if error := self._enter("cudaEventSynchronize"):
            return (error,)
        assert event in self.events
        while event.reached < event.recorded:
            self.queue.popleft()()
        return (Error.cudaSuccess,)

    def cudaEventElapsedTime(self, begin: Event, end: Event) -> tuple[Error, float]:
        error = self._enter("cudaEventElapsedTime")
        assert begin.timing and end.timing and begin.reached and end.reached, "events that were not passed"
        return error, end.time - begin.time

    def cudaEventDestroy(self, event: Event) -> tuple[Error]:
        error = self._enter("cudaEventDestroy")
        self.events.remove(event)
        return (error,)

    # Graphs

    def cudaStreamBeginCapture(self, stream: Stream, mode: CaptureMode) -> tuple[Error]:
        if error := self._enter("cudaStreamBeginCapture", stream):
            return (error,)
        self.capturing = Graph()
        self.capture_broken = False
        return (Error.cudaSuccess,)

    def cudaStreamEndCapture(self, stream: Stream) -> tuple[Error, Graph | None]:
        error = self._enter("cudaStreamEndCapture", stream, captured=True)
        graph, self.capturing = self.capturing, None
        if error or self.capture_broken or graph is None:
            self.last_error = error or Error.cudaErrorStreamCaptureInvalidated
            return self.last_error, None
        self.graphs.append(graph)
        return Error.cudaSuccess, graph

    def cudaGraphInstantiate(self, graph: Graph, flags: int) -> tuple[Error, Graph | None]:
        if self.instantiation:
            self.last_error = self.instantiation
            return self.instantiation, None
        made = Graph(list(graph.work))
        self.graphs.append(made)
        return self._enter("cudaGraphInstantiate"), made

    def cudaGraphLaunch(self, graph: Graph, stream: Stream) -> tuple[Error]:
        if error := self._enter("cudaGraphLaunch", stream):
            return (error,)
        assert graph in self.graphs
        for check, work in graph.work:
            check()
            self.queue.append(work)
        return (Error.cudaSuccess,)

    def cudaGraphDestroy(self, graph: Graph) -> tuple[Error]:
        self.graphs.remove(graph)
        return (self._enter("cudaGraphDestroy"),)

    def cudaGraphExecDestroy(self, graph: Graph) -> tuple[Error]:
        assert not self.queue, "a graph is destroyed while it may be at work"
        self.graphs.remove(graph)
        return (self._enter("cudaGraphExecDestroy"),)
