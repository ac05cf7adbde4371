"""A call of the API: its time, and whether another thread cancelled it. Every engine run looks before it begins.

The thread that works for a call says so with `Call.active`; a call may be worked for by one thread after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock, local

from latentlink.errors import Cancelled
from latentlink.runtime.sessions.clock import CLOCK, Account


class Call:
    """One call of the API."""

    def __init__(self) -> None:
        self._account = Account()
        self._cancelled = ""  # by what
        self._lock = RLock()  # a signal handler may cancel while its thread holds it
        self._interrupts: list[Callable[[], None]] = []

    def cancel(self, by: str) -> None:
        """End the call at its next engine run; the run that has begun is interrupted, if its engine can be.

        Args:
            by: What ends it, for the message.
        """
        with self._lock:
            self._cancelled = self._cancelled or by
            for interrupt in self._interrupts:
                interrupt()

    def check(self) -> None:
        """Raise if the call was cancelled.

        Raises:
            Cancelled: It was.
        """
        if self._cancelled:
            raise Cancelled(f"Cancelled by {self._cancelled}.")

    @contextmanager
    def active(self) -> Iterator[None]:
        """In this block, this thread works for the call: engine runs and waiting count as its own."""
        before = _WORK.call, CLOCK.account
        _WORK.call, CLOCK.account = self, self._account
        try:
            yield
        finally:
            _WORK.call, CLOCK.account = before

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """In this block, `cancel` also calls `interrupt`, from its own thread."""
        with self._lock:
            self._interrupts.append(interrupt)
            if self._cancelled:
                interrupt()
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)


class _Work(local):
    """What the thread that reads it works for."""

    call: Call | None = None


_WORK = _Work()


def current_call() -> Call | None:
    """The call that this thread works for; None outside of any."""
    return _WORK.call
