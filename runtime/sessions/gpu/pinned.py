"""Pinned host memory, from which a GPU copies while the host continues."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

SLOTS = 4
"""Number of pieces of pinned memory: so many copies to the GPU can be running before the host waits."""

LEAST = 4096
"""Smallest size of a piece in bytes."""


class _Slot:
    """A piece of pinned memory, and the event after which it may be written again."""

    def __init__(self, event: Any) -> None:
        self.event = event
        self.pointer = 0
        self.size = 0


class PinnedRing:
    """Pieces of pinned memory that are used in turn; each grows to the largest array that it holds.

    Args:
        api: The module of CUDA's functions.
        call: Calls a function by name; returns what it returns beside its error code.
    """

    def __init__(self, api: Any, call: Callable[..., Any]) -> None:
        self._api = api
        self._call = call
        self._slots: list[_Slot] = []
        self._next = 0

    def hold(self, array: NDArray[Any]) -> tuple[int, Any]:
        """Copy a contiguous array into the piece with the oldest copy, after waiting for that.

        Returns:
            Address of the piece, and the event to record after the copy.
        """
        if len(self._slots) < SLOTS:
            # a host that waits yields its processor
            flags = self._api.cudaEventDisableTiming | self._api.cudaEventBlockingSync
            self._slots.append(_Slot(self._call("cudaEventCreateWithFlags", flags)))
            self._next = len(self._slots) - 1
        slot = self._slots[self._next]
        self._next = (self._next + 1) % SLOTS
        self._call("cudaEventSynchronize", slot.event)
        if slot.size < array.nbytes:
            self._free(slot)
            size = 1 << (max(array.nbytes, LEAST) - 1).bit_length()
            slot.pointer = int(self._call("cudaHostAlloc", size, self._api.cudaHostAllocDefault))
            slot.size = size
        ctypes.memmove(slot.pointer, array.ctypes.data, array.nbytes)
        return slot.pointer, slot.event

    def _free(self, slot: _Slot) -> None:
        pointer, slot.pointer, slot.size = slot.pointer, 0, 0
        if pointer:
            self._call("cudaFreeHost", pointer)

    def close(self) -> None:
        """Release all pieces, when all copies are done; the ring may be used again."""
        slots, self._slots, self._next = self._slots, [], 0
        for slot in slots:
            self._free(slot)
            self._call("cudaEventDestroy", slot.event)
