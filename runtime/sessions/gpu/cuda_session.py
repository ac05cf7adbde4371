"""What the sessions of every GPU target share: buffers in its memory, and the time of runs by its own clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import BundleError, DeviceError, UsageError
from latentlink.ports import Port
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.sessions.gpu.cuda import Cuda
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer

TIMED = 64
"""Runs whose times are not added up yet, at most."""


class CudaSession:
    """An engine on a GPU, without the engine.

    Args:
        cuda: The GPU.
        title: The engine, for messages.
        inputs: Its ports, as the following.
        outputs: All of them.
        give_back: Gives back what the engine holds, once the GPU is done; it must not hold the session itself.
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
        self.inputs, self.outputs = inputs, outputs
        self._cuda = cuda
        self._title = title
        # by tensor name: putting a name together at every run would take as long as the run's calls
        self._reads = {port.tensor: np.dtype(port.dtype) for port in inputs}
        self._writes = {port.tensor: np.dtype(port.dtype) for port in outputs}
        self._elapsed = 0.0
        self._marks: deque[tuple[Any, Any]] = deque()
        cuda.join()
        self._leave = partial(_leave, cuda, self._marks, give_back)
        self._abandoned = finalize(self, cuda.abandon, self._leave)
        self._abandoned.atexit = False  # the driver may be gone by then

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
        """Another session's buffer, copied where it lies elsewhere."""
        return buffer if isinstance(buffer, DeviceBuffer) else self.upload(buffer.numpy())

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of some rows of one; see `Session.gather`."""
        return cast(DeviceBuffer, buffer).gather(rows, shape)

    def elapsed(self) -> float:
        """Seconds that all runs took on the GPU; waits for those that are not done."""
        with self._cuda.lock:
            while self._marks:
                self._elapsed += self._cuda.seconds(*self._marks.popleft())
            return self._elapsed

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """What is enqueued meanwhile is a run; the lock is held."""
        begin = self._cuda.mark()
        try:
            yield
        finally:
            self._marks.append((begin, self._cuda.mark()))
        if len(self._marks) > TIMED:
            self._elapsed += self._cuda.seconds(*self._marks.popleft())

    def _check_open(self) -> None:
        """Refuse to run when it was closed."""
        if not self._abandoned.alive:
            raise UsageError(
                f"The engine {self._title} is closed; expected an open one.", remedy="Load the bundle again."
            )

    def _checked(
        self, verb: str, types: Mapping[str, np.dtype[Any]], given: Mapping[str, Buffer]
    ) -> dict[str, DeviceBuffer]:
        """Buffers by tensor name, which have to be all of the engine's, of its types: it would not look at them."""
        if given.keys() != types.keys():
            raise BundleError(f"The engine {self._title} {verb} {', '.join(types)}, but received {', '.join(given)}.")
        buffers = {name: cast(DeviceBuffer, buffer) for name, buffer in given.items()}
        for name, dtype in types.items():
            if buffers[name].dtype != dtype:
                raise UsageError(
                    f"The engine {self._title} {verb} {name} as {dtype}, but received {buffers[name].dtype}."
                )
        return buffers

    def _check_written(self, written: Mapping[str, DeviceBuffer], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse buffers that are not of the shapes that the engine writes."""
        for name, shape in shapes.items():
            if written[name].shape != shape:
                raise UsageError(
                    f"The engine {self._title} writes {name} of shape {list(shape)}, but received a buffer of shape "
                    f"{list(written[name].shape)} for it."
                )

    def close(self) -> None:
        """Give back the engine's memory."""
        if self._abandoned.detach() is None:
            return
        with self._cuda.lock:
            with suppress(DeviceError):
                self.elapsed()
            self._leave()


def _leave(cuda: Cuda, marks: deque[tuple[Any, Any]], give_back: Callable[[], None]) -> None:
    """What a session holds, when it is closed or nobody has it any more."""
    # after a GPU failed every call to it fails; what went wrong was told then
    with cuda.lock, suppress(DeviceError):
        try:
            cuda.synchronize()
            while marks:
                cuda.seconds(*marks.popleft())
        finally:
            try:
                give_back()
            finally:
                cuda.leave()
