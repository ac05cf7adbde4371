"""Counts of outcomes, and findings that can be tried again."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlink.bench.fuzz.outcome import Job, Outcome

RECORD, CASE = "finding.json", "case"

KEPT = 3
"""Cases that are kept of each finding."""


class Report:
    """What was found so far.

    Args:
        keep: Folder for the findings' cases; None keeps none.
    """

    def __init__(self, keep: Path | None) -> None:
        self._keep = keep
        self.counts: dict[str, Counter[str]] = {}
        self.findings: dict[str, list[Outcome]] = {}

    def add(self, outcome: Outcome, case: Path) -> bool:
        """Count an outcome, and keep its case if it is a finding.

        Args:
            outcome: The outcome.
            case: Its changed input.

        Returns:
            Whether it is the first finding with its signature.
        """
        self.counts.setdefault(outcome.job.kind, Counter())[outcome.ended] += 1
        if outcome.finding is None:
            return False
        alike = self.findings.setdefault(outcome.finding, [])
        alike.append(outcome)
        if self._keep is not None and len(alike) <= KEPT:
            _write(outcome, case, self._keep / str(outcome.job).replace(" ", "-"))
        return len(alike) == 1

    @property
    def tried(self) -> int:
        """Number of outcomes."""
        return sum(counts.total() for counts in self.counts.values())

    def table(self) -> str:
        """Counts and findings as text."""
        lines = [
            f"{kind}: {counts.total()} tried; {', '.join(f'{name} {n}' for name, n in counts.most_common())}"
            for kind, counts in self.counts.items()
        ]
        for signature, alike in sorted(self.findings.items(), key=lambda item: -len(item[1])):
            first = alike[0]
            more = "" if first.detail == "" else f"\n    {first.detail.strip().splitlines()[-1][:200]}"
            lines.append(f"{len(alike)} x {signature}\n    {first.job}: {first.mutation[:200]}{more}")
        return "\n".join([*lines, f"{self.tried} tried, {len(self.findings)} findings."])

    def to_json(self) -> Mapping[str, Any]:
        """Counts by kind, and findings by signature."""
        return {
            "counts": {kind: dict(counts) for kind, counts in self.counts.items()},
            "findings": {name: [one.to_json() for one in alike] for name, alike in self.findings.items()},
        }


def read_finding(path: Path) -> tuple[Job, Path]:
    """The job and the case of a finding that was kept.

    Args:
        path: Its folder, or the record in it.
    """
    folder = path if path.is_dir() else path.parent
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Job(**record["job"]), folder / CASE


def _write(outcome: Outcome, case: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if case.is_dir():
        _copy(case, folder / CASE)
    (folder / RECORD).write_text(json.dumps(outcome.to_json(), indent=1) + "\n", encoding="utf-8")


def _copy(case: Path, out: Path) -> None:
    """Copy a folder with its links and FIFOs, none of which is read."""
    shutil.copytree(case, out, symlinks=True, copy_function=_copy_file)


def _copy_file(source: str, out: str) -> str:
    if Path(source).is_file():
        shutil.copy2(source, out)
    else:
        os.mkfifo(out)
    return out
