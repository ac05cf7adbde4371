"""A full disk, which the libraries that write engines do not report."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

SPARE = 1 << 20
"""A disk with less free bytes counts as full."""


def check_disk(path: Path) -> None:
    """Check, after writing a file failed, whether its disk is full.

    Raises:
        OSError: It is.
    """
    if shutil.disk_usage(path.parent).free < SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from None
