"""Base of the sessions of all GPU targets: buffers in device memory, and the time of runs by the GPU's clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, cast
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import BundleError, DeviceError, UsageError
from latentlink.ports import Port
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.sessions.clock import CLOCK, Account
from latentlink.runtime.sessions.gpu.cuda import Cuda
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.shared_session import SharedSession

TIMED = 64
"""Largest number of runs whose times are not added up yet."""


class Run(NamedTuple):
    """A run whose time is not added up yet.

    Args:
        account: The seconds of the thread that enqueued it.
        begin: Event before it.
        end: Event after it.
    """

    account: Account
    begin: Any
    end: Any

    def add(self, cuda: Cuda) -> None:
        """Wait for its end, and add its time to the thread's."""
        self.account.engines += cuda.seconds(self.begin, self.end)


class CudaSession(SharedSession):
    """The common part of sessions on a GPU.

    Args:
        cuda: The GPU.
        title: Title of the engine, for messages.
        inputs: Input ports of the engine.
        outputs: Output ports of the engine.
        give_back: Releases what the engine holds, once the GPU is done; it must not refer to the session itself.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __init__(
        self,
        cuda: Cuda,
        title: str,
        inputs: tuple[Port, ...],
        outputs: tuple[Port, ...],
        give_back: Callable[[], None],
    ) -> None:
        super().__init__(title)
        self.inputs, self.outputs = inputs, outputs
        self._cuda = cuda
        # by tensor name: building the names at every run would take as long as the run's calls
        self._reads = {port.tensor: np.dtype(port.dtype) for port in inputs}
        self._writes = {port.tensor: np.dtype(port.dtype) for port in outputs}
        self._marks: deque[Run] = deque()
        cuda.join()
        self._leave = partial(_leave, cuda, self._marks, give_back)
        self._finalizer = finalize(self, cuda.abandon, self._leave)
        self._finalizer.atexit = False  # the driver may be gone by then

    def upload(self, array: NDArray[Any]) -> Buffer:
        """A buffer with the array's values."""
        made = DeviceBuffer(self._cuda, array.shape, array.dtype)
        made.write(array)
        return made

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        return DeviceBuffer(self._cuda, shape, np.dtype(dtype))

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""
        cast(DeviceBuffer, buffer).write(array)

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer, copied if it is not on the GPU."""
        return buffer if isinstance(buffer, DeviceBuffer) else self.upload(buffer.numpy())

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of selected rows; see `Session.gather`."""
        return cast(DeviceBuffer, buffer).gather(rows, shape)

    def wait(self) -> None:
        """Wait for this thread's unfinished runs; the time of all of them is then in `CLOCK`."""
        account = CLOCK.account
        began, counted = perf_counter(), account.engines + account.waited
        with self._cuda.lock:
            while any(run.account is account for run in self._marks):
                self._marks.popleft().add(self._cuda)
        # the rest of the time, the GPU ran for other threads
        account.waited += max(0.0, perf_counter() - began - (account.engines + account.waited - counted))

    @contextmanager
    def _timing(self, written: Mapping[str, DeviceBuffer]) -> Iterator[None]:
        """Measure what is enqueued inside this block as a run that writes buffers; the caller holds the lock."""
        begin = self._cuda.mark()
        try:
            yield
        finally:
            self._marks.append(Run(CLOCK.account, begin, self._cuda.mark()))
            for buffer in written.values():
                buffer.changed()
        if len(self._marks) > TIMED:
            self._marks.popleft().add(self._cuda)

    def _check_buffers(
        self, verb: str, types: Mapping[str, np.dtype[Any]], received: Mapping[str, Buffer]
    ) -> dict[str, DeviceBuffer]:
        """Check that buffers are those of all the engine's tensors, of its types: the engine itself does not check."""
        if received.keys() != types.keys():
            names = ", ".join(received)
            raise BundleError(f"The engine {self._title} {verb} {', '.join(types)}, but received {names}.")
        buffers = {name: cast(DeviceBuffer, buffer) for name, buffer in received.items()}
        for name, dtype in types.items():
            if buffers[name].dtype != dtype:
                raise UsageError(
                    f"The engine {self._title} {verb} {name} as {dtype}, but received {buffers[name].dtype}."
                )
        return buffers

    def _check_written(self, written: Mapping[str, DeviceBuffer], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse buffers of other shapes than the engine writes."""
        for name, shape in shapes.items():
            if written[name].shape != shape:
                raise UsageError(
                    f"The engine {self._title} writes {name} of shape {list(shape)}, but received a buffer of shape "
                    f"{list(written[name].shape)} for it."
                )

    def _release(self) -> None:
        if self._finalizer.detach() is not None:
            self._leave()


def _leave(cuda: Cuda, marks: deque[Run], give_back: Callable[[], None]) -> None:
    """Release what a session holds, when it is closed or no longer referenced."""
    # after a GPU failure every call fails; the failure was reported when it occurred
    with cuda.lock, suppress(DeviceError):
        try:
            cuda.synchronize()
            while marks:
                marks.popleft().add(cuda)
        finally:
            try:
                give_back()
            finally:
                cuda.leave()
