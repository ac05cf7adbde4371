"""Printing of the commands: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import math
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
    """A progress bar on standard error that disappears when it is done; shows nothing if that is not a terminal."""
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


def json_text(value: Any) -> str:
    """A value as JSON, which has no infinity and no NaN: both are null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Any) -> None:
    """Print JSON on standard output."""
    click.echo(json_text(value))


def size(count: int) -> str:
    """A number of bytes in readable units."""
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


def print_measured(manifest: Manifest) -> None:
    """Print the timings of `build --target auto` for every component: the engine that was kept, those that were slower,
    and those that were dropped.
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
            line = f"  {one.target} {one.precision}: {', '.join(figures)}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)


def print_skipped(decisions: Mapping[str, Sequence[Decision]]) -> None:
    """Print which engines were skipped and why, in one line for all components with the same reason.

    Args:
        decisions: Decisions of the loader by bundle name; the name is printed if there are several bundles.
    """
    for name, listed in decisions.items():
        for line in skipped(listed):
            title = f"{name}: " if len(decisions) > 1 else ""
            console.print(f"{title}{line}", soft_wrap=True, highlight=False, markup=False)


def decisions_json(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """The loader's decisions as JSON values."""
    return [one.to_json() for one in decisions]


def decibels(psnr: float | None) -> float | None:
    """A PSNR for JSON, which has no infinity: None if both pictures are equal, or nothing was compared."""
    return None if psnr is None or psnr == float("inf") else round(psnr, 2)


def transfer_summary(
    source: str | None,
    destination: str | None,
    resized: tuple[tuple[int, int], tuple[int, int]] | None,
    psnr: float | None,
) -> str:
    """A transfer in words."""
    between = "" if resized is None else "resized from {}x{} to {}x{}, ".format(*resized[0], *resized[1])
    return f"decoded by {source}, {between}encoded by {destination}; round trip {psnr:.1f} dB"
