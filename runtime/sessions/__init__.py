"""Open engines. One file per target; the table here is the only place that dispatches on a target's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import check_threads
from latentlink.errors import UsageError
from latentlink.ports import Port


class Buffer(Protocol):
    """A tensor in memory that the engine can read."""

    def numpy(self) -> NDArray[Any]:
        """A copy on the host, or a view if it is in host memory."""
        ...


class Session(Protocol):
    """One open engine, which threads may share. `inputs` and `outputs` are read back from the engine itself."""

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
        """Another session's buffer as one that this engine can read: the same buffer if possible, else a copy."""
        ...

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of selected rows of a buffer that this session made or took.

        Args:
            buffer: Buffer to read, as rows of the size of one row of `shape`.
            rows: Numbers of the rows, in order; -1 gives a row of zeros.
            shape: Shape of the result; its first size is the number of rows.
        """
        ...

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once. Later calls see its results; this call may return before it is done.

        Args:
            inputs: A buffer for every input, by tensor name.
            outputs: For every output a buffer to write into, or None to have one made.

        Returns:
            The outputs by tensor name.

        Raises:
            UsageError: The session is closed, or the engine was not built for a shape.
            BundleError: The engine failed.
            MemoryError: There is not enough memory for this size.
        """
        ...

    def placement(self) -> Mapping[str, int]:
        """Number of the graph's nodes by provider; empty if the engine is not split into nodes."""
        ...

    def wait(self) -> None:
        """Wait for this thread's unfinished runs; the time of all of them is then in `CLOCK`."""
        ...

    def trim(self) -> None:
        """Release what is kept for the sizes of earlier runs."""
        ...

    def close(self) -> None:
        """Release what runs need; those that have begun end normally, and later ones are refused.

        Closing twice is harmless; buffers stay valid, and can still be made.
        """
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
        target: A key of `OPENERS`.
        threads: Threads for one run; None uses all processors that this process may use (affinity and quota).
        low_memory: Whether to save memory rather than speed up later runs of the same size, because sizes vary.

    Raises:
        UsageError: The target is unknown, or `threads` is no number from 1 to `MAX_THREADS`.
        BundleError: The file is not an engine of that target, or its tensors carry no symbols.
        PreflightError: This machine lacks what the target needs.
        MemoryError: There is not enough memory for it.
    """
    if target not in OPENERS:
        raise UsageError(f"Unknown target {target!r}; expected one of: {', '.join(OPENERS)}.")
    if threads is not None:
        threads = check_threads(threads)
    opener: Callable[..., Session] = import_module(OPENERS[target]).open_session
    return opener(path, target, threads, low_memory)
