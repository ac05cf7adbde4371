"""What the commands print with: progress on standard error, results on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from latentlink.cli.shared.words import skipped

if TYPE_CHECKING:
    from latentlink.engine.bundle import Manifest
    from latentlink.runtime import Decision

console = Console()
messages = Console(stderr=True)


def progress() -> Progress:
    """A progress bar on standard error that goes away when it is done; nothing where that is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )


def print_json(value: Any) -> None:
    """JSON for machines, on standard output."""
    click.echo(json.dumps(value, indent=2))


def size(count: int) -> str:
    """Bytes as people read them."""
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


def print_measured(manifest: Manifest) -> None:
    """What `build --target auto` measured of every component: the engine that was taken, those that were slower, and
    those that were dropped.
    """
    for name, entry in manifest.components.items():
        if entry.measured is None:
            continue
        sizes = ", ".join(f"{dim} {size}" for dim, size in entry.measured.sizes.items())
        console.print(f"{name}, fastest on {entry.measured.on}{f', {sizes}' if sizes else ''}:", highlight=False)
        for number, one in enumerate(entry.measured.candidates):
            figures = [
                *([] if one.seconds is None else [f"{one.seconds:.4g} s"]),
                *([] if one.psnr is None else [f"PSNR {one.psnr:.1f} dB"]),
                *(["kept"] if number == 0 else []),
                *([f"dropped: {one.reason}"] if one.reason else []),
            ]
            told = f"  {one.target} {one.precision}: {', '.join(figures)}"
            console.print(told, soft_wrap=True, highlight=False, markup=False)


def print_skipped(decisions: Mapping[str, Sequence[Decision]]) -> None:
    """Which engines cannot run here and why, a line for all components of one reason.

    Args:
        decisions: Of the loader, by the bundle's name, which is printed where there are several.
    """
    for name, listed in decisions.items():
        for line in skipped(listed):
            title = f"{name}: " if len(decisions) > 1 else ""
            console.print(f"{title}{line}", soft_wrap=True, highlight=False, markup=False)


def decided(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """Decisions of the loader for JSON."""
    return [one.to_json() for one in decisions]


def decibels(psnr: float | None) -> float | None:
    """A PSNR for JSON, which has no infinity: None where two pictures are equal, or nothing was compared."""
    return None if psnr is None or psnr == float("inf") else round(psnr, 2)


def moved(
    source: str | None,
    destination: str | None,
    resized: tuple[tuple[int, int], tuple[int, int]] | None,
    psnr: float | None,
) -> str:
    """What a transfer did, as people read it."""
    between = "" if resized is None else "resized from {}x{} to {}x{}, ".format(*resized[0], *resized[1])
    return f"decoded by {source}, {between}encoded by {destination}; round trip {psnr:.1f} dB"
