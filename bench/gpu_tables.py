"""The report as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from latentlink.bench.gpu_report import Check, Report, Speed, faster

EAGER, COMPILED = "diffusers eager", "diffusers torch.compile"
"""What the others' sides are called."""


def show(report: Report, console: Console) -> None:
    """Print tables of checks and speeds, and a line for everything that did not pass."""
    for table in (_checks(report), _speeds(report)):
        if table.row_count:
            console.print(table)
    for line in _reasons(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _checks(report: Report) -> Table:
    """A row for each target and precision, a column for each check."""
    names = [*dict.fromkeys(check.name for check in report.checks)]
    rows: dict[tuple[str, str], dict[str, Check]] = {}
    for check in report.checks:
        rows.setdefault((check.target, check.precision), {})[check.name] = check
    table = Table("target", "precision", *names, box=None, pad_edge=False)
    for (target, precision), found in rows.items():
        table.add_row(target, precision, *(_cell(found.get(name)) for name in names))
    return table


def _cell(check: Check | None) -> str:
    if check is None:
        return ""
    figures = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in check.figures.values())
    return f"{check.verdict} {' '.join([*figures][:1])}".strip()


def _speeds(report: Report) -> Table:
    columns = ("model", "side", "ms a step", "of peak", "end to end", "x eager", "x compiled", "peak memory")
    table = Table(*columns, box=None, pad_edge=False)
    for speed in report.speeds:
        if speed.step is None or speed.total is None:
            table.add_row(str(speed.work), speed.side, speed.verdict)
            continue
        times = [faster(report.speeds, speed, than) for than in (EAGER, COMPILED)]
        table.add_row(
            str(speed.work),
            speed.side,
            f"{1000 * speed.step.median:.2f}",
            "" if speed.share is None else f"{speed.share:.0%}",
            f"{speed.total.median:.3f} s",
            *("" if ratio is None else f"{ratio:.2f}" for ratio in times),
            "" if speed.peak_mb is None else f"{speed.peak_mb:.0f} MB",
        )
    return table


def _reasons(report: Report) -> Iterator[str]:
    """Equal reasons once."""
    if report.peak is not None:
        yield f"Matrix products reach {report.peak.tflops:.0f} TFLOP/s here: {report.peak.how}."
    told: dict[tuple[str, str], list[str]] = {}
    entries: list[Check | Speed] = [*report.checks, *report.speeds]
    for entry in entries:
        if entry.verdict != "passed":
            told.setdefault((entry.verdict, entry.reason), []).append(_title(entry))
    for (verdict, reason), titles in told.items():
        yield f"{verdict}: {', '.join(dict.fromkeys(titles))}: {reason}"


def _title(entry: Check | Speed) -> str:
    if isinstance(entry, Check):
        return f"{entry.name} of {entry.target} {entry.precision}"
    return f"{entry.side} on {entry.work}"
