"""Weights that are read from their file while an engine is opened, and leave memory again as they are read.

A runtime copies most weights into the layouts of its kernels. What it copied from is mapped, not read, but counts as
long as it is mapped: an engine would hold its weights twice.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

SECONDS = 0.05
"""Between two times that memory is given back. What is read once more comes from the system's cache of the file."""


class MappedWeights:
    """A file of weights, mapped. Whoever reads it keeps this object.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            # Private and writable, as OpenVINO takes no array that is not; nothing is written. Of nothing there is
            # no mapping: a graph without weights gets a byte that it does not read.
            filled = file.seek(0, os.SEEK_END) > 0
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if filled else mmap.mmap(-1, 1)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        """What the file holds."""

    def leave(self) -> None:
        """Give the memory back to the system, where that can be told so; what is read again is mapped again."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self._map.madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Give it back again and again until the block ends."""
        ended = Event()

        def leave() -> None:
            while not ended.wait(SECONDS):
                self.leave()

        thread = Thread(target=leave, name="mapped-weights", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.leave()
