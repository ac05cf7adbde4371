"""A run that no machine of this memory can hold is refused before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentlink.amounts import bytes_in_words
from latentlink.engine.targets import memory as found
from latentlink.errors import UsageError
from latentlink.runtime.request import check_memory, memory

GIB = 1 << 30


def test_a_picture_that_no_model_can_draw_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: GIB)
    check_memory(2048, 2048, 1)
    words = r"^A picture of 8192x8192 needs at least 17.18 GB of memory; 1.07 GB are free"
    with pytest.raises(UsageError, match=words):
        check_memory(8192, 8192, 1)
    with pytest.raises(UsageError, match=r"^8 pictures of 1024x1024 need at least"):
        check_memory(1024, 1024, 8)


def test_a_system_that_does_not_report_its_memory_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    check_memory(16_384, 16_384, 64)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (2, "2 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (392_952, "393.0 kB"),
        (10**7, "10.0 MB"),
        (2**34, "17.18 GB"),
    ],
)
def test_an_amount_is_in_the_unit_that_suits_it(count: int, words: str) -> None:
    assert bytes_in_words(count) == words


class Groups:
    """The files of a machine with 8 GiB free and control groups, in a folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        for name, path in (("MEMINFO", "meminfo"), ("CGROUP", "cgroup"), ("GROUPS", "groups")):
            monkeypatch.setattr(found, name, root / path)
        self.write("meminfo", f"MemTotal: 1 kB\nMemAvailable: {8 * GIB // 1024} kB\n")

    def write(self, path: str, text: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    return Groups(tmp_path, monkeypatch)


def test_without_control_groups_the_machines_memory_counts(groups: Groups) -> None:
    assert found.free_memory() == 8 * GIB


def test_the_limit_of_any_group_above_counts_without_cached_files(groups: Groups) -> None:
    groups.write("cgroup", "0::/pod/app\n")
    for path, most, used, cached in (("pod", 4 * GIB, 3 * GIB, 2 * GIB), ("pod/app", "max", 5, 0)):
        groups.write(f"groups/{path}/memory.max", most)
        groups.write(f"groups/{path}/memory.current", used)
        groups.write(f"groups/{path}/memory.stat", f"anon 7\ninactive_file {cached}\n")
    assert found.free_memory() == 3 * GIB


def test_groups_of_the_first_version_count_too(groups: Groups) -> None:
    groups.write("cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/0f\n")
    groups.write("groups/memory/memory.limit_in_bytes", 2 * GIB)
    groups.write("groups/memory/memory.usage_in_bytes", GIB)
    groups.write("groups/memory/memory.stat", "total_inactive_file 0\n")
    assert found.free_memory() == GIB


def test_a_system_without_proc_reports_nothing(groups: Groups) -> None:
    (groups.root / "meminfo").unlink()
    assert found.free_memory() is None
