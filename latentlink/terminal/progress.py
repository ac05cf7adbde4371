"""Progress bars on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from latentlink.terminal.interrupts import check_interrupt
from latentlink.terminal.printing import shown


class _Progress(Progress):
    """A bar whose every change is a place to end the work at."""

    def update(self, *arguments: Any, **named: Any) -> None:
        check_interrupt()
        super().update(*arguments, **named)

    def advance(self, *arguments: Any, **named: Any) -> None:
        check_interrupt()
        super().advance(*arguments, **named)


class _Description(TextColumn):
    """What a task does; a name in it may hold any characters."""

    def render(self, task: Task) -> Text:
        return Text(shown(task.description))


def progress() -> Progress:
    """A progress bar that disappears when it is done; shows nothing if standard error is not a terminal."""
    messages = Console(stderr=True)
    return _Progress(
        SpinnerColumn("line"),
        _Description(""),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
        # what is printed meanwhile goes above the bar, unless it goes to a file
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A bar without an end while the block runs, with what it does."""
    with progress() as bar:
        bar.add_task(what, total=None)
        yield
