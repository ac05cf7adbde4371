"""Opened engines. One file a target; this table is the only place that dispatches on a target's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.ports import Port


class Buffer(Protocol):
    """A tensor that lives where the engine reads it."""

    def numpy(self) -> NDArray[Any]:
        """A copy on the host, or a view where that is the same memory."""
        ...


class Session(Protocol):
    """One engine, opened. `inputs` and `outputs` are read back from the engine itself."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def upload(self, array: NDArray[Any]) -> Buffer:
        """A buffer with the array's values, independent of the array."""
        ...

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        ...

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values; shape and dtype stay."""
        ...

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer where this engine can read it: the same one if it can already, or a copy."""
        ...

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of some rows of one that this session made or took.

        Args:
            buffer: Read as rows of equal size: its elements divided by those of one row of `shape`.
            rows: Numbers of the rows, in order; -1 is a row of zeros.
            shape: Of the result; its first size is the number of rows.
        """
        ...

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once. What follows on the same session waits for it; the caller may go on before it is done.

        Args:
            inputs: A buffer for every input, by tensor name.
            outputs: For every output a buffer to write into, or None to have one made.

        Returns:
            The outputs by tensor name.

        Raises:
            UsageError: It was closed, or was not built for a shape.
            BundleError: The engine failed.
            MemoryError: There is not enough for this size.
        """
        ...

    def placement(self) -> Mapping[str, int]:
        """How many nodes of its graph run on which provider; empty where an engine is one piece."""
        ...

    def elapsed(self) -> float:
        """Seconds that all runs took inside the engine; waits for those that are not done."""
        ...

    def close(self) -> None:
        """Give back what a run needs. Closing twice is harmless; buffers stay valid, and can still be made."""
        ...


OPENERS: Mapping[str, str] = {
    "tensorrt": "latentlink.runtime.sessions.tensorrt",
    "tensorrt-rtx": "latentlink.runtime.sessions.tensorrt",
    "ort-tensorrt": "latentlink.runtime.sessions.ort_gpu",
    "ort-nv-rtx": "latentlink.runtime.sessions.ort_gpu",
    "ort-cuda": "latentlink.runtime.sessions.ort_gpu",
    "openvino-cpu": "latentlink.runtime.sessions.openvino",
    "ort-cpu": "latentlink.runtime.sessions.ort",
}
"""Module of each target; it has `open_session(path, target, threads, low_memory) -> Session`."""


def open_session(path: Path, target: str, *, threads: int | None = None, low_memory: bool = False) -> Session:
    """Open an engine.

    Args:
        path: The engine's file.
        target: One of `OPENERS`.
        threads: Threads for one run; None takes the processors this process may use.
        low_memory: Whether memory matters more than speed from the second run of a size on, because sizes vary.

    Raises:
        UsageError: The target is unknown.
        BundleError: The file is not an engine of that target, or its tensors carry no symbols.
        PreflightError: What the target needs is not on this machine.
        MemoryError: There is not enough for it.
    """
    if target not in OPENERS:
        raise UsageError(f"Unknown target {target!r}; expected one of: {', '.join(OPENERS)}.")
    opener: Callable[..., Session] = import_module(OPENERS[target]).open_session
    return opener(path, target, threads, low_memory)
