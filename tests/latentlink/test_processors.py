"""The default number of threads: what the affinity and the CPU quotas of control groups allow."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from latentlink import processors as module
from latentlink.processors import cpu_quota, processors
from tests.house import FOLDERS, ROOT, sources

Machine = Callable[..., None]

V1 = Path("/sys/fs/cgroup/cpu")
V2 = Path("/sys/fs/cgroup")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Sets up a machine: its number of processors, the two files of /proc, and the files of control groups."""

    def make(cgroup: str, mounts: str, files: Mapping[str, str], count: int = 64) -> None:
        (tmp_path / "cgroup").write_text(cgroup)
        (tmp_path / "mountinfo").write_text(mounts.replace("@", str(tmp_path)))
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(module, "CGROUP", tmp_path / "cgroup")
        monkeypatch.setattr(module, "MOUNTS", tmp_path / "mountinfo")
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(count)))

    return make


TWO = "30 1 0:26 / @/fs rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
ONE = "32 31 0:29 / @/fs/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 31 0:30 / @/fs/memory rw - cgroup cgroup rw,memory\n"


def one(folder: str, quota: int, period: int = 100000) -> dict[str, str]:
    """The files of a group of cgroup v1."""
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "expected"),
    [
        pytest.param("0::/\n", TWO, {"fs/cpu.max": "200000 100000\n"}, 2, id="docker's view of v2"),
        pytest.param("0::/a/b\n", TWO, {"fs/a/b/cpu.max": "max 100000\n"}, None, id="no quota in v2"),
        pytest.param(
            "0::/a/b\n",
            TWO,
            {"fs/a/b/cpu.max": "800000 100000\n", "fs/a/cpu.max": "50000 100000\n", "fs/cpu.max": "max 100000\n"},
            0.5,
            id="a group around it in v2",
        ),
        pytest.param("0::/gone/b\n", TWO, {"fs/cpu.max": "300000 100000\n"}, 3, id="a group that is not visible"),
        pytest.param("0::/../other\n", TWO, {"fs/cpu.max": "300000 100000\n"}, 3, id="outside of the namespace"),
        pytest.param("5:cpu,cpuacct:/\n", ONE, one("fs/cpu", 150000), 1.5, id="v1"),
        pytest.param("5:cpu,cpuacct:/a\n", ONE, one("fs/cpu/a", -1), None, id="no quota in v1"),
        pytest.param(
            "5:cpu,cpuacct:/a/b\n", ONE, {**one("fs/cpu/a/b", -1), **one("fs/cpu/a", 5000, 10000)}, 0.5, id="around it"
        ),
        pytest.param(
            "5:cpu:/docker/x\n",
            "32 31 0:29 /docker/x @/fs/cpu rw - cgroup cgroup rw,cpu\n",
            one("fs/cpu", 400000),
            4,
            id="docker's view of v1, whose mount begins at its own group",
        ),
        pytest.param("5:cpu:/a\n", ONE, one("fs/cpu", 400000), 4, id="a mount without the group's own folder"),
        pytest.param(
            "5:cpu:/a\n0::/a\n",
            ONE.replace("rw,cpu,cpuacct", "rw,cpu") + TWO.replace("@/fs", "@/fs/unified"),
            {**one("fs/cpu/a", 700000), "fs/unified/a/cgroup.procs": ""},
            7,
            id="both, with the controller in v1",
        ),
        pytest.param(
            "0::/a b\n",
            TWO.replace("@/fs", "@/my\\040fs"),
            {"my fs/a b/cpu.max": "100000 100000\n"},
            1,
            id="names with spaces",
        ),
        pytest.param("5:cpuset:/a\n", ONE, one("fs/cpu/a", 100000), None, id="another controller alone"),
        pytest.param("0::/\n", TWO, {"fs/cpu.max": "many\n"}, None, id="an unknown text"),
        pytest.param("0::/\n", TWO, {"fs/cpu.max": "100 0\n"}, None, id="no period"),
        pytest.param("", "", {}, None, id="no control groups"),
    ],
)
def test_the_smallest_quota_of_a_group_and_those_around_it_counts(
    machine: Machine, cgroup: str, mounts: str, files: Mapping[str, str], expected: float | None
) -> None:
    machine(cgroup, mounts, files)
    assert cpu_quota() == expected
    assert processors() == (64 if expected is None else math.ceil(expected))


def test_a_system_without_proc_has_no_quota(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "CGROUP", tmp_path / "none")
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "none")
    assert cpu_quota() is None


def test_the_affinity_counts_where_it_is_less_than_the_quota(machine: Machine) -> None:
    machine("0::/\n", TWO, {"fs/cpu.max": "800000 100000\n"}, count=2)
    assert processors() == 2


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_other_file_counts_processors(folder: str) -> None:
    for path in sources(folder):
        text = (ROOT / path).read_text(encoding="utf-8")
        if path != Path("latentlink/processors.py"):
            assert "cpu_count" not in text and "sched_getaffinity" not in text, path


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_session_of_onnx_runtime_is_told_its_threads(folder: str) -> None:
    for path in sources(folder):
        text = (ROOT / path).read_text(encoding="utf-8")
        made = text.count("SessionOptions()")
        assert made == text.count(".intra_op_num_threads = "), f"{path}: it would count without the quota"


@pytest.fixture
def half_a_processor() -> Iterator[Path]:
    """A control group of this machine that grants half a processor, to write a process's number to."""
    root = V1 if (V1 / "cpu.cfs_quota_us").exists() else V2
    group = root / f"latentlink-test-{os.getpid()}"
    try:
        group.mkdir()
        if root == V1:
            (group / "cpu.cfs_quota_us").write_text("50000")
        else:
            (group / "cpu.max").write_text("50000 100000")
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group with a quota can be made here, which needs root: {error}")
    yield group / "cgroup.procs"
    for _ in range(100):  # a process that has ended leaves it a moment later
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.05)


def test_a_process_in_half_a_processor_counts_one(half_a_processor: Path) -> None:
    script = """
import os, sys
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
from latentlink.processors import cpu_quota, processors
print(cpu_quota(), processors())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(half_a_processor)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0.5", "1"]
