"""The time of one thread: what its own runs took, and what it waited for the runs of other threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from time import perf_counter


class Account:
    """The seconds of one thread, to which another thread may add: it may be the one that finds a run done."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.engines = 0.0


class Clock(local):
    """Seconds of the thread that reads them; every thread has its own."""

    def __init__(self) -> None:
        self.account = Account()

    @property
    def waited(self) -> float:
        """Seconds that this thread waited for its turn at an engine, or for other threads' work on the GPU."""
        return self.account.waited

    @property
    def engines(self) -> float:
        """Seconds that its runs took inside engines. Runs on a GPU count once they are done, see `Session.wait`."""
        return self.account.engines

    def now(self) -> float:
        """`perf_counter` without the seconds that this thread has waited."""
        return perf_counter() - self.account.waited

    def waited_since(self, began: float) -> None:
        """Count the time since then, by `perf_counter`, as waiting."""
        self.account.waited += perf_counter() - began

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count this block as a run."""
        began = perf_counter()
        try:
            yield
        finally:
            self.account.engines += perf_counter() - began


CLOCK = Clock()
"""The clock of the thread that uses it."""
