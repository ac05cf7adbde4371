"""The report as tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from latentlink.bench.gpu.findings import Check, GpuReport, Speed, speedup
from latentlink.terminal.printing import say, say_table

EAGER, COMPILED = "diffusers eager", "diffusers torch.compile"
"""Names of the other systems' sides."""

FIGURES = 3
"""Number of figures shown for a check; the file has all of them."""


def show(report: GpuReport) -> None:
    """Print tables of checks and speeds, and a line for every reason for not passing."""
    if checks := [*_checks(report)]:
        say_table(("target", "", "check", "verdict", "figures"), checks)
    if speeds := [*_speeds(report)]:
        say_table(
            ("", "ms a step", "of peak", "end to end", "x eager", "x compiled", "peak memory"), speeds, right=True
        )
    for line in _reasons(report):
        say(line)


def _checks(report: GpuReport) -> Iterator[tuple[str, ...]]:
    """A row for each check that ran."""
    for check in report.checks:
        if check.verdict != "not run":
            shown = islice(check.figures.items(), FIGURES)
            figures = ", ".join(f"{name} {_number(value)}" for name, value in shown)
            yield check.target, check.precision, check.name, check.verdict, figures


def _number(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value


def _speeds(report: GpuReport) -> Iterator[tuple[str, ...]]:
    """A row for each system, below the model and size."""
    for work, speeds in groupby(report.speeds, key=lambda speed: speed.work):
        yield (str(work),)
        for speed in speeds:
            yield (f"  {speed.side}", *_times(report, speed))


def _times(report: GpuReport, speed: Speed) -> Iterator[str]:
    if speed.step is None or speed.total is None:
        yield speed.verdict
        return
    yield f"{1000 * speed.step.median:.2f}"
    yield "" if speed.share is None else f"{speed.share:.0%}"
    yield f"{speed.total.median:.3f} s"
    for than in (EAGER, COMPILED):
        ratio = speedup(report.speeds, speed, than)
        yield "" if ratio is None else f"{ratio:.2f}"
    yield "" if speed.peak_mb is None else f"{speed.peak_mb:.0f} MB"


def _reasons(report: GpuReport) -> Iterator[str]:
    """Lines of reasons; equal reasons are merged."""
    if report.peak is not None:
        yield f"Matrix products reach {report.peak.tflops:.4g} TFLOP/s here: {report.peak.how}."
    titles_by_reason: dict[tuple[str, str], list[str]] = {}
    entries: list[Check | Speed] = [*report.checks, *report.speeds]
    for entry in entries:
        if entry.verdict != "passed":
            titles_by_reason.setdefault((entry.verdict, entry.reason), []).append(_title(entry))
    for (verdict, reason), titles in titles_by_reason.items():
        yield f"{verdict}: {', '.join(titles)}: {reason}"


def _title(entry: Check | Speed) -> str:
    if isinstance(entry, Check):
        return f"{entry.name} of {entry.target} {entry.precision}"
    return f"{entry.side} on {entry.work}"
