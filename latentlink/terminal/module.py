"""The frame of modules that `python -m` runs: their help, their arguments, and how they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from latentlink.terminal.ending import ending


class OutFile(click.Path):
    """The name of a file that a command will write, checked before its work begins.

    Args:
        suffixes: The file's format, as suffixes of which the name must have one; none for any name.
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__()
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The name as a path. A folder that does not exist, or another suffix, is a usage error."""
        path = Path(os.fspath(value))
        if path.is_dir():
            self.fail(f"{value!r} is a folder; expected the name of a file to write.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"the folder {str(path.parent)!r} of {value!r} does not exist.", param, ctx)
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            self.fail(f"{value!r} does not end in {' or '.join(self.suffixes)}.", param, ctx)
        return path


class NewFolder(click.Path):
    """The name of a folder that a command will make, checked before its work begins."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The name as a path. One that exists is a usage error."""
        path = Path(os.fspath(value))
        if os.path.lexists(path):
            self.fail(f"{value!r} exists; expected the name of a new folder.", param, ctx)
        return path


def command(doc: str | None) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command of a module that is run by `python -m`.

    Args:
        doc: The module's docstring: it is the help. A paragraph of lines `python -m ...` keeps its lines.
    """
    paragraphs = [
        f"\b\n{text}" if all(line.startswith("python -m ") for line in text.splitlines()) else text
        for text in (doc or "").split("\n\n")
    ]
    return click.command(help="\n\n".join(paragraphs), context_settings={"help_option_names": ["-h", "--help"]})


def run_command(program: click.Command) -> NoReturn:
    """Run a command with the process's arguments, and exit with its status or, as `ending` says, that of its error."""
    with ending():
        status = program.main(standalone_mode=False)
    sys.exit(status if isinstance(status, int) else 0)
