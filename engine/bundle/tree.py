"""The files of a directory with their sizes and hashes. Only regular files and directories are accepted."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from threading import Event
from typing import Any, Self

from latentlink.engine.bundle.record_checks import REMEDY, check_int, check_pattern, record_of
from latentlink.errors import BundleError
from latentlink.processors import processors

MAX_ENTRIES = 20_000
MAX_DEPTH = 64
MAX_FILE_BYTES = 1 << 50
# hashlib releases the interpreter lock; more threads than this would only wait for the disk.
HASHING_THREADS = 4
BUFFER_BYTES = 1 << 20

OnProgress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """The manifest's record of a file: `sha256` in 64 hex digits, `size` in bytes."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        check_pattern("sha256", self.sha256, _SHA256, "a SHA-256 in lower-case hex digits")
        check_int("size", self.size, 0, MAX_FILE_BYTES)

    def to_json(self) -> dict[str, Any]:
        """The record of this file."""
        return {"sha256": self.sha256, "size": self.size}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        return cls(**record_of(value, ("sha256", "size")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The content of a directory, by POSIX path relative to it.

    Args:
        sizes: Size of every file in bytes.
        folders: Every directory except the top one.
    """

    sizes: Mapping[str, int]
    folders: frozenset[str]


def read_tree(root: Path) -> Tree:
    """List a directory without following links.

    Raises:
        BundleError: It holds a link, device, FIFO or socket, or more than 20,000 entries or 64 levels.
        OSError: It cannot be read.
    """
    sizes: dict[str, int] = {}
    folders: set[str] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if len(sizes) + len(folders) >= MAX_ENTRIES or path.count("/") >= MAX_DEPTH:
                    raise BundleError(
                        f"{str(root)!r} holds over {MAX_ENTRIES} files or {MAX_DEPTH} levels, expected less.",
                        remedy=REMEDY,
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.add(path)
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    sizes[path] = entry.stat(follow_symlinks=False).st_size
                else:
                    raise _irregular(root / path, entry.is_symlink())
    return Tree(sizes=sizes, folders=frozenset(folders))


def check_regular(root: Path, path: str) -> Path:
    """The file `path` below `root`, if it is a regular file in plain directories.

    Raises:
        BundleError: It, or a directory on the way, is missing, a link, a device, ...
    """
    parts = path.split("/")
    for length in range(1, len(parts) + 1):
        step = root.joinpath(*parts[:length])
        try:
            mode = os.lstat(step).st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise BundleError(f"{str(step)!r} is missing; expected a file of the bundle.", remedy=REMEDY) from None
        expected = stat.S_ISREG if length == len(parts) else stat.S_ISDIR
        if not expected(mode):
            raise _irregular(step, stat.S_ISLNK(mode))
    return root.joinpath(*parts)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, without following links or waiting for a FIFO's writer.

    Raises:
        BundleError: It is no regular file.
        OSError: It cannot be opened.
    """
    mode = os.lstat(path).st_mode
    if not stat.S_ISREG(mode):
        raise _irregular(path, stat.S_ISLNK(mode))
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular(path, False)
    return os.fdopen(descriptor, "rb")


def hash_files(
    root: Path,
    sizes: Mapping[str, int],
    *,
    on_progress: OnProgress | None = None,
    check: Callable[[str, str], None] | None = None,
) -> dict[str, str]:
    """SHA-256 of files, several at a time, each with 1 MiB of memory.

    Args:
        root: Directory of the files.
        sizes: Expected size in bytes by path.
        on_progress: Called in the calling thread.
        check: Called in the calling thread with (path, hex digest) after each file; an exception stops the rest.

    Raises:
        BundleError: A file does not have the expected size.
        OSError: A file cannot be read.
    """
    stop = Event()
    done_bytes = dict.fromkeys(sizes, 0)
    total = sum(sizes.values())

    def digest(path: str) -> str:
        sha256 = hashlib.sha256()
        buffer = memoryview(bytearray(min(BUFFER_BYTES, sizes[path] + 1)))
        with open_regular(root / path) as file:
            while not stop.is_set() and (count := file.readinto(buffer)):
                done_bytes[path] += count
                if done_bytes[path] > sizes[path]:
                    break
                sha256.update(buffer[:count])
        if done_bytes[path] != sizes[path] and not stop.is_set():
            raise wrong_size(root / path, done_bytes[path], sizes[path])
        return sha256.hexdigest()

    hashes: dict[str, str] = {}
    with ThreadPoolExecutor(min(HASHING_THREADS, processors())) as pool:
        # the largest first, so that it does not run alone at the end
        pending = {pool.submit(digest, path): path for path in sorted(sizes, key=lambda path: -sizes[path])}
        try:
            while pending:
                for future in wait(pending, timeout=0.1, return_when=FIRST_COMPLETED).done:
                    path = pending.pop(future)
                    hashes[path] = future.result()
                    if check is not None:
                        check(path, hashes[path])
                if on_progress is not None:
                    on_progress(sum(done_bytes.values()), total)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    return hashes


def wrong_size(path: Path, received: int, expected: int) -> BundleError:
    """The error for a file that is too short or too long."""
    return BundleError(f"{str(path)!r} has {received} bytes; expected {expected}, as the manifest says.", remedy=REMEDY)


def _irregular(path: Path, link: bool) -> BundleError:
    return BundleError(
        f"{str(path)!r} is a {'symbolic link' if link else 'folder, device, FIFO or socket'}; expected a regular file.",
        remedy="Copy the bundle with its links resolved: cp -rL BUNDLE COPY." if link else REMEDY,
    )
