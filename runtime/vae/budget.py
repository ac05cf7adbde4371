"""The largest canvas that fits a memory budget, found by running smaller ones: engines do not report what they need."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock

from latentlink.errors import UsageError

MARGIN = 1.35
"""Factor on predicted memory: allocators round up and keep pieces, by up to a fifth in measurements of the demo models
and by a quarter with a full-size VAE."""

MEASURING = RLock()
"""Held while runs are measured: the peak is that of the whole process, and beginning a measurement resets it."""

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def largest(probe: Callable[[int], tuple[int, int]], *, budget: int, least: int, wanted: int) -> tuple[int, int]:
    """The number of cells that fit, found by running ever larger canvases that are predicted to stay in the budget.

    Activations are linear in the cells and attention is at most quadratic, so a linear and a quadratic term through the
    last two measurements predict the next one.

    Args:
        probe: Runs a canvas of about this side; returns its cells and the peak in bytes since the first one began.
        budget: Memory budget in bytes.
        least: Smallest side to run.
        wanted: Largest number of cells that is of use.

    Returns:
        Cells that fit, 0 if not even the smallest canvas does; and the bytes that the smallest needs.
    """
    side, measured = least, [probe(least)]
    needed = math.ceil(measured[0][1] * MARGIN)
    if needed > budget:
        return 0, needed
    while True:
        (cells, _), grows = measured[-1], growth(measured[-2:])
        room = _room(grows, budget, cells, wanted)
        # predictions far beyond the last measurement are unreliable; a tenth more is not worth a pass
        following = min(3 * side // 2, math.isqrt(room))
        if 10 * following <= 11 * side or cells >= wanted:
            return room, needed
        measured.append(probe(following))
        after, peak = measured[-1]
        if after <= cells:  # the engine has no larger size
            return cells, needed
        if peak > budget:
            return _room(growth(measured[-2:]), budget, cells, after - 1), needed
        side = following


def _room(grows: Callable[[int], float], budget: int, ran: int, wanted: int) -> int:
    """Largest number of cells, up to `wanted`, that is predicted to fit; `ran` is known to fit."""
    low, high = ran, max(ran, wanted)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if grows(middle) * MARGIN <= budget else (low, middle - 1)
    return low


def growth(measured: Sequence[tuple[int, int]]) -> Callable[[int], float]:
    """`a*n + b*n*n` through one or two measurements (n, bytes), a and b not negative; quadratic growth from one."""
    (n, value), *rest = measured
    if not rest:
        return lambda cells: value * max(cells / n, (cells / n) ** 2)
    m, other = rest[0]
    square = min(max((other / m - value / n) / (m - n), 0.0), other / m / m)
    linear = other / m - square * m
    return lambda cells: linear * cells + square * cells * cells


def resident_bytes() -> int:
    """Bytes of this process that are in memory and in use.

    Raises:
        UsageError: This system does not report it.
    """
    # The next run would use memory that was freed but kept, and its peak would not show it; glibc can release it.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return _status("VmRSS")


def peak_of(run: Callable[[], object]) -> int:
    """Peak bytes of this process in memory while `run` runs.

    Raises:
        UsageError: This system does not report it.
    """
    resident_bytes()
    try:
        CLEAR.write_text("5")  # sets the peak to what is in memory now (proc_pid_clear_refs(5))
    except OSError as error:
        raise _unknown(f"{CLEAR} cannot be written ({error.strerror})") from None
    run()
    return _status("VmHWM")


def _status(name: str) -> int:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        raise _unknown(f"there is no {STATUS}") from None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise _unknown(f"{STATUS} has no {name}")


def _unknown(why: str) -> UsageError:
    return UsageError(
        f"A memory budget needs a system that reports a process's peak memory, but here {why}.",
        remedy="Leave vae_memory out, or run on Linux.",
    )
