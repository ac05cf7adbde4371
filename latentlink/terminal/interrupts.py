"""Ctrl-C, SIGTERM and SIGHUP: all three end a command as KeyboardInterrupt, also where a library loses that.

An interrupt is lost where it is raised in a finaliser or in code that catches everything, and it breaks modules that
are being imported. So it is also remembered, and raised again at the next `check_interrupt`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_received = False


@contextmanager
def interrupts() -> Iterator[None]:
    """Have the three signals raise KeyboardInterrupt in the block; only the main thread may enter it.

    After the first one, SIGTERM and SIGHUP wait until the block has cleaned up. A signal that is ignored stays ignored,
    as SIGHUP is under nohup.
    """
    global _received
    _received = False
    wanted = (*_ENDING, *((signal.SIGINT,) if signal.getsignal(signal.SIGINT) is signal.default_int_handler else ()))
    handled = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in handled}
    try:
        yield
        check_interrupt()
    except BaseException:
        check_interrupt()  # whatever a library made of it
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_interrupt() -> None:
    """Raise the interrupt that was received and lost, if there is one. Long work calls this between its parts.

    Raises:
        KeyboardInterrupt: There is one.
    """
    global _received
    if _received:
        _received = False
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    _received = True
    if not _importing(frame):
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
