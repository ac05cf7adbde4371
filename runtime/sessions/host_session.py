"""Base of the sessions of all CPU targets: buffers in host memory, and the time of runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.runtime.sessions import Buffer


class HostSession(ABC):
    """The common part of sessions on the CPU."""

    def __init__(self) -> None:
        self._elapsed = 0.0

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

    def elapsed(self) -> float:
        """Seconds that all runs took."""
        return self._elapsed
