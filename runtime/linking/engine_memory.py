"""A memory budget for the open engines: the least recently used are closed to make room for the next one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.amounts import bytes_in_words
from latentlink.checks import byte_count
from latentlink.errors import BundleError, UsageError
from latentlink.ports import Port
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.clock import CLOCK

_LOG = logging.getLogger(__name__)


class EngineMemory:
    """The engines that share a budget.

    One thread at a time makes room and runs, so that no other thread closes the engine that it is about to run. Runs on
    the CPU are therefore serial, as a budget for one engine requires; runs on a GPU are only enqueued.

    Args:
        budget: Maximum total bytes of the files of the open engines. The memory that runs need is not counted.

    Raises:
        UsageError: The budget is not a number of bytes.
    """

    def __init__(self, budget: int) -> None:
        self.budget = byte_count("engine_memory", budget)
        self.lock = RLock()
        """Held from making room for an engine until it has run, or is open."""
        self._open: list[ReopeningSession] = []  # the least recently used first

    @property
    def used(self) -> int:
        """Bytes of the files of the open engines."""
        return sum(session.size for session in self._open)

    def check(self, title: str, size: int) -> None:
        """Refuse an engine that could never be opened.

        Args:
            title: Title of the engine, such as `denoiser of demo`.
            size: Bytes of its files.

        Raises:
            UsageError: It is larger than the budget.
        """
        if size > self.budget:
            raise UsageError(
                f"{title} has {bytes_in_words(size)}, but the open engines may have at most "
                f"{bytes_in_words(self.budget)} in all.",
                remedy=f"Allow at least that: engine_memory={size}.",
            )

    def make_room(self, size: int) -> None:
        """Close engines until one of this size fits."""
        while self._open and self.used + size > self.budget:
            self._open[0].rest()

    def enter(self, session: ReopeningSession) -> None:
        """Record that an engine was opened, or runs."""
        self.leave(session)
        self._open.append(session)

    def leave(self, session: ReopeningSession) -> None:
        """Record that an engine was closed."""
        self._open = [other for other in self._open if other is not session]


class ReopeningSession:
    """An engine that is closed when another one needs its room, and opened again when it runs; it starts open.

    Args:
        title: Title for messages, such as `denoiser of demo`.
        path: The engine's file; its weights lie beside it.
        size: Bytes of its files.
        opener: Opens it.
        memory: The budget.

    Raises:
        UsageError: It is larger than the budget.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __init__(
        self, *, title: str, path: Path, size: int, opener: Callable[[], Session], memory: EngineMemory
    ) -> None:
        memory.check(title, size)
        self.title = title
        self.size = size
        self._path = path
        self._opener = opener
        self._memory = memory
        self._is_open = self._ended = False
        self._files = _identity(path)
        self._session = self._open()
        self.inputs, self.outputs = self._session.inputs, self._session.outputs

    def ready(self) -> bool:
        """Open the engine if it was closed to make room; returns whether it was.

        Raises:
            BundleError: Its files are no longer those that it was first opened from.
        """
        with self._memory.lock:
            if self._is_open or self._ended:
                return False
            if _identity(self._path) != self._files:
                raise BundleError(
                    f"The files of {self.title} were replaced while it was closed to make room.",
                    remedy="Load the bundle again.",
                )
            began = perf_counter()
            self._session = self._open()
            _LOG.info(
                "%s was opened again in %.2f s: it had been closed to make room", self.title, perf_counter() - began
            )
            return True

    def rest(self) -> None:
        """Close it until it runs again. The closed session can still make buffers."""
        with self._memory.lock:
            if self._is_open:
                self._session.close()
                self._is_open = False
                self._memory.leave(self)

    def upload(self, array: NDArray[Any]) -> Buffer:
        """See `Session`, also for the methods below."""
        return self._session.upload(array)

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        return self._session.empty(shape, dtype)

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""
        self._session.write(buffer, array)

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer, as one that this engine can read."""
        return self._session.take(buffer)

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of selected rows of another."""
        return self._session.gather(buffer, rows, shape)

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; opens the engine first if it is closed."""
        began = perf_counter()
        with self._memory.lock:
            CLOCK.waited_since(began)
            self.ready()
            if self._is_open:
                self._memory.enter(self)
            return self._session.run(inputs, outputs)

    def placement(self) -> Mapping[str, int]:
        """Number of nodes by provider."""
        return self._session.placement()

    def wait(self) -> None:
        """Wait for this thread's unfinished runs."""
        with self._memory.lock:
            if self._is_open:
                self._session.wait()

    def trim(self) -> None:
        """Release what is kept for the sizes of earlier runs."""
        with self._memory.lock:
            if self._is_open:
                self._session.trim()

    def close(self) -> None:
        """Close it for good."""
        with self._memory.lock:
            self.rest()
            self._ended = True

    def _open(self) -> Session:
        with self._memory.lock:
            self._memory.make_room(self.size)
            session = self._opener()
            self._is_open = True
            self._memory.enter(self)
            return session


def reopen(session: Session) -> bool:
    """Make a session ready to run; returns whether it had been closed to make room."""
    return isinstance(session, ReopeningSession) and session.ready()


def _identity(path: Path) -> list[tuple[str, int, int, int]]:
    """What changes when an engine's files are replaced."""
    files = sorted(path.parent.iterdir())
    return [(file.name, (stat := file.stat()).st_ino, stat.st_size, stat.st_mtime_ns) for file in files]
