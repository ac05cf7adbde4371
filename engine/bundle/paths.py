"""Paths inside a bundle: every file system reads them in the same way, and none leads outside."""

from __future__ import annotations

import re
from collections.abc import Iterable

from latentlink.bundle_names import MANIFEST
from latentlink.engine.bundle.record_checks import ManifestError, unexpected

MAX_PATH = 255

# ASCII only, so that Unicode normalisation cannot make two names equal. The first character is neither '.' nor '-',
# which excludes `.`, `..`, hidden files and options; the last is not '.', which Windows drops.
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+-]*[A-Za-z0-9_+-])?")


def is_safe(path: object) -> bool:
    """Whether `path` is a relative POSIX path of plain names, at most 255 characters."""
    return (
        isinstance(path, str) and 0 < len(path) <= MAX_PATH and all(_PART.fullmatch(part) for part in path.split("/"))
    )


def check_path(where: str, path: object) -> None:
    """Refuse a path that is not safe.

    Raises:
        ManifestError: It has an empty, `.` or `..` part, a backslash, a drive, a control character, ...
    """
    if not is_safe(path):
        raise unexpected(
            where,
            path,
            "a relative path inside the bundle, at most 255 characters: names of ASCII letters, digits, "
            "'_', '.', '+' and '-', which do not begin with '.' or '-', joined by '/'",
        )


def check_distinct(paths: Iterable[str]) -> None:
    """Refuse paths that are equal on a file system that ignores case, and a file below another file.

    Raises:
        ManifestError: Two paths, or their directories, differ only in case; a file is below another; one is
            `manifest.json`.
    """
    spelled: dict[str, str] = {MANIFEST: MANIFEST}
    files: set[str] = {MANIFEST}
    for path in paths:
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            lead = "/".join(parts[:length])
            other = spelled.setdefault(lead.lower(), lead)
            if other != lead:
                raise ManifestError(
                    "", f"received {lead!r} and {other!r}, expected paths that differ by more than case"
                )
        if path in files:
            raise ManifestError("", f"received {path!r} twice, expected every file once and {MANIFEST} not at all")
        files.add(path)
    for path in files:
        lead = path.rpartition("/")[0]
        while lead:
            if lead in files:
                raise ManifestError("", f"received {path!r} below the file {lead!r}, expected one or the other")
            lead = lead.rpartition("/")[0]
