"""Arguments in the wrong order: told by what they are, before anything else is said about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from latentlink.errors import LatentLinkError, UsageError


def check_order(
    first: str, others: Sequence[str], *, fits: Callable[[str], bool], what: str, order: str, usage: str
) -> None:
    """Refuse arguments of which another one is what `first` should be.

    Args:
        first: The argument.
        others: Those that may have been given in its place.
        fits: Whether text is what `first` should be.
        what: What it should be, as `a bundle`.
        order: The right order in words.
        usage: The command in the right order.

    Raises:
        UsageError: They are swapped.
    """
    if fits(first):
        return
    for other in others:
        if fits(other):
            raise UsageError(f"{other!r} is {what}, and {first!r} is none; {order}.", remedy=f"{usage}.")


def is_export(text: str) -> bool:
    """Whether text names the folder of an export."""
    from latentlink.engine.bundle import Bundle

    try:
        return Bundle.open(text, check_files=False).manifest.kind == "export"
    except (LatentLinkError, OSError):
        return False


def is_checkpoint(text: str) -> bool:
    """Whether text names a file or folder that looks like a checkpoint."""
    path = Path(text)
    return path.is_file() if path.suffix == ".safetensors" else (path / "model_index.json").is_file()
