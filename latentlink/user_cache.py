"""The user's cache: files that save work, and that may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

from latentlink.errors import UsageError


def user_cache() -> Path:
    """The folder of latentlink in the user's cache: `$XDG_CACHE_HOME/latentlink` or `~/.cache/latentlink`.

    Nothing is made. A relative `$XDG_CACHE_HOME` does not count (XDG Base Directory Specification 0.8).

    Raises:
        UsageError: The variable is not set, and the user has no home.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (named if named.is_absolute() else Path.home() / ".cache") / "latentlink"
    except RuntimeError:
        raise UsageError(
            "This user has no home folder; expected one, or XDG_CACHE_HOME.", remedy="Set XDG_CACHE_HOME to a folder."
        ) from None
