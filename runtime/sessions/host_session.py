"""Base of the sessions of all CPU targets: buffers in host memory, and runs that are done when they return."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.runtime.sessions import Buffer
from latentlink.runtime.sessions.shared_session import SharedSession


class HostSession(SharedSession):
    """The common part of sessions on the CPU."""

    @abstractmethod
    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""

    @abstractmethod
    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""

    def upload(self, array: NDArray[Any]) -> Buffer:
        """A buffer with the array's values."""
        value = self.empty(array.shape, array.dtype)
        self.write(value, array)
        return value

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of selected rows; see `Session.gather`."""
        found = buffer.numpy().reshape(-1, *shape[1:])
        picked = found[np.maximum(rows, 0)]
        picked[np.equal(rows, -1)] = 0
        return self.upload(picked)

    def wait(self) -> None:
        """Nothing to wait for."""
