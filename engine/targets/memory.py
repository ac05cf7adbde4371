"""Memory that this process can still take: the machine's, or what its control groups leave (containers)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")

VERSIONS = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By controller in `/proc/self/cgroup` (none in version 2): the files of the limit and the use, and the key in
`memory.stat` of cached files, which the kernel gives back."""


def free_memory() -> int | None:
    """Bytes that can be taken without swapping or being killed; None where the system does not report it."""
    found = [*_of_machine(), *_of_groups()]
    return min(found) if found else None


def _of_machine() -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024


def _of_groups() -> Iterator[int]:
    """What every control group of this process leaves; a group without a limit has none to tell."""
    with suppress(OSError):
        for line in CGROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in {*controllers.split(",")} & {*VERSIONS}:
                group = GROUPS / controller / path.strip("/")
                # in a container the path may be the host's, and only the top is there
                for folder in (group, *group.parents):
                    if folder.is_relative_to(GROUPS / controller):
                        yield from _left(folder, *VERSIONS[controller])


def _left(folder: Path, limit: str, used: str, cached: str) -> Iterator[int]:
    with suppress(OSError, ValueError):
        most = int((folder / limit).read_text())  # "max" is no number
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        yield max(most - int((folder / used).read_text()) + int(stat.get(cached, 0)), 0)
