"""Files that a user names to be read: regular ones, so that nothing waits for a writer or reads without end."""

from __future__ import annotations

import stat
from pathlib import Path

from latentlink.errors import UsageError


def check_input(path: str | Path, expected: str) -> Path:
    """A path to read from, if a regular file is there; links are followed.

    Args:
        path: The path.
        expected: What the file should be, for the message: `a picture`.

    Raises:
        UsageError: Nothing is there, or a folder, device, pipe or socket.
        OSError: It cannot be looked at.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"There is no file {str(path)!r}; expected {expected}.") from None
    if not stat.S_ISREG(mode):
        found = "folder" if stat.S_ISDIR(mode) else "device, pipe or socket"
        raise UsageError(
            f"{str(path)!r} is a {found}; expected {expected}.",
            remedy="" if stat.S_ISDIR(mode) else "Write it to a file first.",
        )
    return Path(path)
