"""Device memory in use by all processes, polled from the driver while something runs."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from latentlink.engine.targets.machine import LIBRARIES
from latentlink.errors import PreflightError

PERIOD = 0.001
"""Seconds between two readings."""


class DeviceMemory:
    """Memory of the first GPU (CUDA Driver API: cuMemGetInfo).

    Args:
        library: Library of the driver; None to load it.

    Raises:
        PreflightError: There is no driver, or a call failed.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = library or _driver()
        self._context = ctypes.c_void_p()
        device = ctypes.c_int()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        # the context that the CUDA runtime and libraries above it use
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)

    def used(self) -> int:
        """Bytes in use, including those of other processes."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuCtxSetCurrent", self._context)
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return total.value - free.value

    def peak(self, run: Callable[[], object]) -> int:
        """Peak of the bytes in use during `run`, beyond those in use before. Allocations that are shorter than
        `PERIOD` may be missed."""
        before = most = self.used()
        done = Event()

        def look() -> None:
            nonlocal most
            while not done.wait(PERIOD):
                most = max(most, self.used())

        watcher = Thread(target=look, daemon=True)
        watcher.start()
        try:
            run()
        finally:
            done.set()
            watcher.join()
        return max(most, self.used()) - before

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a function of the driver; a result other than 0 is an error."""
        if error := getattr(self._library, name)(*arguments):
            raise PreflightError(f"The NVIDIA driver's {name} failed with {error}; it is needed to read device memory.")


def _driver() -> ctypes.CDLL:
    for name in LIBRARIES.get(sys.platform, ()):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise PreflightError("There is no NVIDIA driver; it is needed to read device memory.")
