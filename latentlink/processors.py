"""The number of processors that this process may use: those of its affinity, within the CPU quota of its container."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

CGROUP = Path("/proc/self/cgroup")
MOUNTS = Path("/proc/self/mountinfo")


def processors() -> int:
    """The number of threads that can run at once, at least 1: the default for everything that computes.

    A fractional quota is rounded up, as Java, .NET and Go do: fewer threads could not use all of it.
    """
    usable, quota = len(os.sched_getaffinity(0)), cpu_quota()
    return usable if quota is None else max(1, min(usable, math.ceil(quota)))


def cpu_quota() -> float | None:
    """The CPU time per second that the process's control groups grant (`docker --cpus`, limits of Kubernetes).

    The smallest quota of its group and of all groups around it counts, in cgroup v1 and v2 (cgroups(7); the kernel's
    sched-bwc and cgroup-v2 documents). A container sees only the groups below its own mount.

    Returns:
        Processors, such as 1.5; None without a quota.
    """
    found = [quota for folder in _folders() if (quota := _quota(folder)) is not None]
    return min(found, default=None)


def _folders() -> Iterator[Path]:
    """The folders of the process's group and of those around it, of every hierarchy that can hold a quota."""
    groups: dict[str, str] = {}
    for line in _lines(CGROUP):
        number, controllers, group = line.split(":", 2)
        if number == "0" or "cpu" in controllers.split(","):
            groups["cgroup2" if number == "0" else "cgroup"] = group
    for line in _lines(MOUNTS):  # proc_pid_mountinfo(5)
        place, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        if kind not in groups or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        root, mount = (_unescape(field) for field in place.split(" ")[3:5])
        own = PurePosixPath(groups[kind])
        inside = own.is_relative_to(root) and ".." not in own.parts
        folder = Path(mount, own.relative_to(root)) if inside else Path(mount)
        yield folder
        yield from (parent for parent in folder.parents if parent.is_relative_to(mount))


def _quota(folder: Path) -> float | None:
    """Processors that one control group grants; None if it sets no limit."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (file := folder / "cpu.max").is_file():  # v2: "50000 100000", or "max 100000"
            quota, period = map(float, file.read_text().split())
        else:
            quota, period = (float((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None  # v1: -1 for no limit
    return None


def _lines(path: Path) -> list[str]:
    """The lines of a file of /proc; none where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _unescape(field: str) -> str:
    """A path of mountinfo, in which a space is written as its octal number, `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
