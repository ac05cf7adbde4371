"""Watching a process from outside: its memory and its time."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

MEMORY = 2 << 30
"""Bytes of resident memory that a job may take beyond what its process has already."""

PATIENCE = 6.0
"""How many times its processor time a job may last, as other processes use the processors too."""


def watch(process: int, done: Callable[[], bool], seconds: float, *, before: int | None = None) -> str | None:
    """Wait until a process is done or exceeds a limit.

    Args:
        process: Its number.
        done: Waits for a moment and says whether it is done.
        seconds: Seconds of processor time that it may take from now.
        before: Bytes of resident memory that it may have beside `MEMORY`; None for what it has now.

    Returns:
        `memory` or `hang`; None if it is done.
    """
    before = resident(process) if before is None else before
    began, used = monotonic(), processor_seconds(process)
    while not done():
        if resident(process) > before + MEMORY:
            return "memory"
        if processor_seconds(process) - used > seconds or monotonic() - began > PATIENCE * seconds:
            return "hang"
    return None


def resident(process: int) -> int:
    """Bytes of resident memory; 0 if the process has ended."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def processor_seconds(process: int) -> float:
    """Seconds of processor time; 0 if the process has ended."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def tail(path: Path) -> str:
    """The end of a text file; empty if there is none."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")[-3000:]
    return ""
