"""Base of all sessions: threads may share one. Runs take turns where they must, and closing waits for them.

Processes may not: a fork has the memory of an engine and none of its threads.

Locks are held by `with` on the lock itself: nothing else releases one whenever Ctrl-C is pressed.
"""

from __future__ import annotations

import ctypes
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from threading import RLock, get_ident
from time import perf_counter
from typing import ClassVar
from weakref import WeakSet

from latentlink.errors import UsageError
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.sessions.calls import current_call
from latentlink.runtime.sessions.clock import CLOCK


class SharedSession(ABC):
    """The common part of all sessions.

    Any thread may run it, make buffers and close it. A buffer belongs to the run that made it: two threads do not give
    the same one. `close` lets the run end that has begun, and refuses later ones.

    Args:
        title: Title of the engine, for messages.
    """

    concurrent: ClassVar[bool] = False
    """Whether `_run` may run in several threads at once, and while `_release` does; otherwise they take turns, in no
    particular order."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._turn = RLock()
        self._runner: int | None = None  # the thread whose turn it is
        self._closed = self._released = self._forked = False
        _SESSIONS.add(self)

    @abstractmethod
    def _run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; see `Session.run`."""

    @abstractmethod
    def _release(self) -> None:
        """Release what runs need. Called once."""

    def trim(self) -> None:  # noqa: B027 (most keep nothing)
        """Release what is kept for the sizes of earlier runs."""

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; see `Session.run`."""
        if self.concurrent:
            self._check_open()
            return self._run(inputs, outputs)
        began, busy = perf_counter(), self._runner is not None
        with self._turn:
            if busy:
                CLOCK.waited_since(began)
            self._check_open()
            self._runner = get_ident()
            try:
                return self._run(inputs, outputs)
            finally:
                self._runner = None
                if self._closed:
                    self._release_once()

    def close(self) -> None:
        """Release the engine's memory, once the run that has begun is done. Closing twice is harmless."""
        self._closed = True
        if self._runner == get_ident():  # a signal handler of the thread that runs it, which releases it afterwards
            return
        with self._turn:
            self._release_once()

    def _check_open(self) -> None:
        """Refuse to run a closed engine, or one of another process, or for a call that was cancelled."""
        if (call := current_call()) is not None:
            call.check()
        if self._forked:
            raise UsageError(
                f"The engine {self._title} was opened before this process was forked; expected one of its own.",
                remedy="Load the bundle in each process, after the fork.",
            )
        if self._closed:
            raise UsageError(
                f"The engine {self._title} is closed; expected an open one.", remedy="Load the bundle again."
            )

    def _release_once(self) -> None:
        if not self._released:
            self._released = True
            self._release()

    def _abandon(self) -> None:
        """In a fork: never run again, and never be destroyed, as that would wait for threads that are not there."""
        self._turn, self._runner = RLock(), None  # another thread may have held the lock
        self._closed = self._released = self._forked = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))


_SESSIONS: WeakSet[SharedSession] = WeakSet()


def _abandon_all() -> None:
    for session in list(_SESSIONS):
        session._abandon()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_abandon_all)
