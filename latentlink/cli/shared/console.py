"""What several commands print of a bundle and its engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentlink.cli.shared.words import skipped
from latentlink.terminal.printing import say

if TYPE_CHECKING:
    from latentlink.engine.bundle import Manifest
    from latentlink.runtime import Decision


def print_measured(manifest: Manifest) -> None:
    """Print the timings of `build --target auto` for every component: the engine that was kept, those that were slower,
    and those that were dropped.
    """
    for name, entry in manifest.components.items():
        if entry.measured is None:
            continue
        sizes = ", ".join(f"{dim} {size}" for dim, size in entry.measured.sizes.items())
        say(f"{name}, fastest on {entry.measured.on}{f', {sizes}' if sizes else ''}:")
        for number, one in enumerate(entry.measured.candidates):
            figures = [
                *([] if one.seconds is None else [f"{one.seconds:.4g} s"]),
                *([] if one.psnr is None else [f"PSNR {one.psnr:.1f} dB"]),
                *(["kept"] if number == 0 else []),
                *([f"dropped: {one.reason}"] if one.reason else []),
            ]
            line = f"  {one.target} {one.precision}: {', '.join(figures)}"
            say(line)


def print_skipped(decisions: Mapping[str, Sequence[Decision]]) -> None:
    """Print which engines were skipped and why, in one line for all components with the same reason.

    Args:
        decisions: Decisions of the loader by bundle name; the name is printed if there are several bundles.
    """
    for name, listed in decisions.items():
        for line in skipped(listed):
            title = f"{name}: " if len(decisions) > 1 else ""
            say(f"{title}{line}")


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
