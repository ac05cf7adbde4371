"""The time of one thread: what its own runs took, without what it waited for the runs of other threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, local
from time import perf_counter


class Clock(local):
    """Seconds of the thread that reads them; every thread has its own.

    Attributes:
        waited: Seconds that it waited for its turn at an engine, or for other threads' work on the GPU.
        engines: Seconds that its runs took inside engines. Runs on a GPU count once they are done, see `Session.wait`.
    """

    def __init__(self) -> None:
        self.account = Account()

    @property
    def waited(self) -> float:
        """Seconds that this thread has waited."""
        return self.account.waited

    @property
    def engines(self) -> float:
        """Seconds that this thread's runs took."""
        return self.account.engines

    def now(self) -> float:
        """`perf_counter` without the seconds that this thread has waited."""
        return perf_counter() - self.account.waited

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count this block as waiting."""
        began = perf_counter()
        try:
            yield
        finally:
            self.account.waited += perf_counter() - began

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count this block as a run."""
        began = perf_counter()
        try:
            yield
        finally:
            self.account.engines += perf_counter() - began


class Account:
    """The seconds of one thread, to which another thread may add: it may be the one that finds a run done."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.engines = 0.0


CLOCK = Clock()
"""The clock of the thread that uses it."""


class CountedLock:
    """A lock that its thread may take again; waiting for it counts as waiting."""

    def __init__(self) -> None:
        self._lock = RLock()

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take it; returns whether it was taken."""
        if self._lock.acquire(blocking=False):
            return True
        if not blocking:
            return False
        with CLOCK.waiting():
            return self._lock.acquire()

    def release(self) -> None:
        """Release it once."""
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *failure: object) -> None:
        self.release()
