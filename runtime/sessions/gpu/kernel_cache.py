"""Kernels that TensorRT for RTX compiled for this GPU: kept for later engines, and in the user's cache for later
processes."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from latentlink.engine.targets import this_machine
from latentlink.errors import UsageError
from latentlink.files import atomic_file
from latentlink.user_cache import user_cache


class KernelCache:
    """The kernels of a process.

    TensorRT takes those of an earlier process only for the same release, GPU and driver or an older one; what it does
    not take is compiled again, and replaces them. Of two processes that save at once, the last one's stay.

    Args:
        made: A new `IRuntimeCache`; it is released with this object, not by TensorRT.
        target: The target, with the version of its package: `tensorrt-rtx-1.7.1.116`.
    """

    def __init__(self, made: Any, target: str) -> None:
        self.made = made
        self._file = _file(target)
        self._saved = b""
        if self._file is not None:
            with suppress(OSError):
                found = self._file.read_bytes()
                if made.deserialize(found):
                    self._saved = found

    def save(self) -> None:
        """Write the kernels, if there are others than those that were read. A cache that cannot be written is none."""
        found = self.made.serialize()
        data = b"" if found is None else bytes(memoryview(found))
        if self._file is None or data in (b"", self._saved):
            return
        with suppress(OSError, UsageError), atomic_file(self._file) as part:
            part.write_bytes(data)
            self._saved = data


def _file(target: str) -> Path | None:
    """The file for the first GPU of this machine; None without a user's cache."""
    names = [gpu.name for gpu in this_machine().gpus[:1]]
    name = re.sub(r"[^a-z0-9.]+", "-", "-".join([target, *names]).lower())
    with suppress(UsageError):
        return user_cache() / "kernels" / f"{name}.bin"
    return None
