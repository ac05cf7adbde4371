"""Memory-mapped weights whose pages are released while a runtime copies them.

A runtime copies most weights into the layouts of its kernels. The mapped pages that it copied from still count as
memory of the process: without releasing them, an engine would hold its weights twice.
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
"""Seconds between two releases. Pages that are read again come from the system's file cache."""


class MappedWeights:
    """A mapped file of weights. Its readers must hold a reference to this object.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            # Private and writable, as OpenVINO requires; nothing is written to it. An empty file cannot be mapped: a
            # graph without weights gets one byte that it does not read.
            not_empty = file.seek(0, os.SEEK_END) > 0
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if not_empty else mmap.mmap(-1, 1)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        """Content of the file."""

    def release(self) -> None:
        """Release the pages, where the system supports it; pages that are read again are loaded again."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self._map.madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def releasing(self) -> Iterator[None]:
        """Release the pages regularly until the block ends."""
        ended = Event()

        def release() -> None:
            while not ended.wait(SECONDS):
                self.release()

        thread = Thread(target=release, name="mapped-weights", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.release()
