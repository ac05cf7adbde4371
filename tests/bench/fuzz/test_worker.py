"""The fuzzer finds what should not happen, says where, and tries it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from latentlink.bench.fuzz import watched
from latentlink.bench.fuzz.material import Material
from latentlink.bench.fuzz.outcome import Job
from latentlink.bench.fuzz.report import Report, read_finding
from latentlink.bench.fuzz.worker import Worker
from tests.bench.fuzz.ends import ENDS, KIND


def number_of(end: str) -> int:
    """A job whose mutation makes the case end so."""
    return next(number for number in range(1000) if _end_of(number) == end)


def _end_of(number: int) -> str:
    rng = Random(f"0 ends {number}")
    rng.choice(["the only valid input"])
    return rng.choice(ENDS)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched, "MEMORY", 200 << 20)
        made = Worker(Material(folder=folder / "material"), {"ends": KIND}, folder / "process")
        yield made
        made.close()


@pytest.mark.parametrize(
    ("end", "ended", "finding"),
    [
        ("right", "right picture", None),
        ("refused", "BundleError", None),
        ("wrong status", "UsageError", "UsageError in"),
        ("bug", "KeyError", "KeyError in"),
        ("wrong picture", "wrong picture", "wrong picture after ends wrong picture"),
        ("hang", "hang", "hang in"),
        ("memory", "memory", "memory in"),
        ("signal", "killed", "killed in"),
    ],
)
def test_each_end_that_should_not_be_is_a_finding(worker: Worker, end: str, ended: str, finding: str | None) -> None:
    outcome = worker.run(Job(seed=0, kind="ends", number=number_of(end)))
    assert outcome.ended == ended
    assert outcome.mutation == f"{end} (by hand)"
    assert (outcome.finding is None) == (finding is None)
    assert (outcome.finding or "").startswith(finding or "")


@pytest.mark.parametrize(("number", "finding"), [(0, None), (1, "status 2 of latentlink no-such-command")])
def test_the_command_line_is_held_to_the_same(worker: Worker, number: int, finding: str | None) -> None:
    assert worker.run(Job(seed=0, kind="ends", number=number, command_line=True)).finding == finding


def test_a_finding_that_was_kept_is_found_again(worker: Worker, tmp_path: Path) -> None:
    report = Report(tmp_path)
    assert report.add(worker.run(Job(seed=0, kind="ends", number=number_of("bug"))), worker.case)
    assert not report.add(worker.run(Job(seed=0, kind="ends", number=number_of("right"))), worker.case)
    (kept,) = tmp_path.iterdir()
    job, case = read_finding(kept)
    assert worker.run(job, case).finding == next(iter(report.findings))
    assert "ends: 2 tried; KeyError 1, right picture 1" in report.table()
    assert "2 tried, 1 findings." in report.table()
