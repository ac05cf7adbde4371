"""Tensors in the memory of a GPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.runtime.sessions.gpu.cuda import Cuda

_STAMPS = count()


class DeviceBuffer:
    """A tensor in device memory that it owns and frees with the last reference to the buffer; values are undefined.

    Args:
        cuda: Its GPU.
        shape: Shape of the tensor.
        dtype: dtype of the tensor.

    Raises:
        MemoryError: There is not enough memory.
    """

    def __init__(self, cuda: Cuda, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.cuda = cuda
        self.shape = tuple(shape)
        self.dtype = dtype
        self.size = math.prod(self.shape) * dtype.itemsize
        """Size in bytes."""
        self.stamp = next(_STAMPS)
        """Another number after every change of the values; no two buffers have the same."""
        self._followed = -1
        self.pointer = cuda.allocate(self.size)
        # at the end of the process the driver may be gone already, and has freed everything
        finalize(self, cuda.free, self.pointer).atexit = False

    def numpy(self) -> NDArray[Any]:
        """A copy on the host; waits for what writes the buffer."""
        array = np.empty(self.shape, self.dtype)
        self.cuda.read(array, self.pointer)
        return array

    def write(self, array: NDArray[Any]) -> None:
        """Replace the values.

        Raises:
            UsageError: The array is of another shape or dtype.
        """
        if array.shape != self.shape or array.dtype != self.dtype:
            raise UsageError(
                f"Received {array.dtype} of shape {list(array.shape)} to write into a buffer; expected {self.dtype} "
                f"of shape {list(self.shape)}."
            )
        self.cuda.write(self.pointer, array)
        self.changed()

    def changed(self) -> None:
        """Note that the values were replaced by an engine, which writes to the buffer's address."""
        self.stamp = next(_STAMPS)

    def copy_from(self, other: DeviceBuffer) -> None:
        """Copy the values of a buffer of equal size."""
        self.cuda.move(self.pointer, other.pointer, self.size)
        self.changed()

    def follow(self, other: DeviceBuffer) -> None:
        """Copy the values of a buffer of equal size, unless this one has them: for one that nothing else writes."""
        if self._followed != other.stamp:
            self.copy_from(other)
            self._followed = other.stamp

    def gather(self, rows: Sequence[int], shape: Sequence[int]) -> DeviceBuffer:
        """A new buffer of selected rows, copied within the device; see `Session.gather`.

        Raises:
            UsageError: The buffer does not consist of such rows, or lacks one of them.
        """
        made = DeviceBuffer(self.cuda, shape, self.dtype)
        step = made.size // max(len(rows), 1)
        count, left = divmod(self.size, max(step, 1))
        if left or made.shape[0] != len(rows) or any(not -1 <= row < count for row in rows):
            raise UsageError(
                f"A buffer of shape {list(self.shape)} has no rows {list(rows)} to make {list(shape)} of; expected "
                f"rows of equal size, -1 to {count - 1}."
            )
        for place, row in enumerate(rows):
            to = made.pointer + place * step
            if row < 0:
                self.cuda.zero(to, step)
            else:
                self.cuda.move(to, self.pointer + row * step, step)
        return made
