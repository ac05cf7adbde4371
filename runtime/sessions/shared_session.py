"""Base of all sessions: threads may share one. Runs take turns where they must, and closing waits for them.

Processes may not: a fork has the memory of an engine and none of its threads.
"""

from __future__ import annotations

import ctypes
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition, get_ident
from typing import ClassVar
from weakref import WeakSet

from latentlink.errors import UsageError
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.sessions.clock import CLOCK


class SharedSession(ABC):
    """The common part of all sessions.

    Any thread may run it, make buffers and close it. A buffer belongs to the run that made it: two threads do not give
    the same one. `close` lets the runs end that have begun, and refuses later ones.

    Args:
        title: Title of the engine, for messages.
    """

    concurrent: ClassVar[bool] = False
    """Whether the engine can run in several threads at once; otherwise they take turns, in no particular order."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._turns = Condition()
        self._running: list[int] = []  # the threads that run it
        self._closed = self._forked = False
        _SESSIONS.add(self)

    @abstractmethod
    def _run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; see `Session.run`."""

    @abstractmethod
    def _release(self) -> None:
        """Release what runs need. Called once, when nothing runs and nothing will."""

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; see `Session.run`."""
        with self._turn():
            return self._run(inputs, outputs)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """What may not happen beside a run, unless the engine is concurrent.

        Raises:
            UsageError: The session is closed.
        """
        with self._turns:
            if self._is_taken():
                with CLOCK.waiting():
                    self._turns.wait_for(lambda: not self._is_taken())
            if self._forked:
                raise UsageError(
                    f"The engine {self._title} was opened before this process was forked; expected one of its own.",
                    remedy="Load the bundle in each process, after the fork.",
                )
            if self._closed:
                raise UsageError(
                    f"The engine {self._title} is closed; expected an open one.", remedy="Load the bundle again."
                )
            self._running.append(get_ident())
        try:
            yield
        finally:
            with self._turns:
                self._running.remove(get_ident())
                self._release_if_closed()
                self._turns.notify_all()

    def _release_if_closed(self) -> None:
        if self._closed and not self._running:
            self._release()

    def trim(self) -> None:  # noqa: B027 (most keep nothing)
        """Release what is kept for the sizes of earlier runs."""

    def _is_taken(self) -> bool:
        return bool(self._running) and not self.concurrent and not self._closed

    def close(self) -> None:
        """Release the engine's memory, once the runs that have begun are done. Closing twice is harmless."""
        with self._turns:
            if not self._closed:
                self._closed = True
                self._turns.notify_all()
                self._release_if_closed()
            # a signal handler may close the engine that its own thread runs: the run releases it when it ends
            self._turns.wait_for(lambda: not self._running or get_ident() in self._running)

    def _abandon(self) -> None:
        """In a fork: never run again, and never be destroyed, as that would wait for threads that are not there."""
        self._turns, self._running = Condition(), []  # another thread may have held the lock
        self._closed = self._forked = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))


_SESSIONS: WeakSet[SharedSession] = WeakSet()


def _abandon_all() -> None:
    for session in list(_SESSIONS):
        session._abandon()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_abandon_all)
