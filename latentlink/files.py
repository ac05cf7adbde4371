"""Atomic writes: folders and files appear under their name only when they are complete.

The new content is written to a hidden sibling on the same file system, and takes the name in one step. A process
that is killed leaves the old content under the name. POSIX only: the siblings are locked with flock.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path

from latentlink.errors import UsageError

MOST_STEM = 20
"""Characters of a file's name that its temporary one keeps: a name has at most 255 bytes."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# Errors of a file system or kernel without exchange: all others are errors of the call itself.
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


@contextmanager
def replacing_directory(out: Path, *, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """A fresh folder that becomes `out` when the block ends, in one step, and is removed if the block raises.

    Parents of `out` are made. A symbolic link at `out` is followed. Leftovers of killed writers of `out` are removed
    first; the files of running writers are not touched, and of two writers the last one to finish wins.

    Args:
        out: The folder to make or to replace.
        is_ours: Says whether an existing folder may be replaced, which deletes it.

    Yields:
        The folder to fill.

    Raises:
        UsageError: `out` exists and is not ours, or is a mount point; nothing was changed.
        OSError: The disk is full, a permission is missing, ...; `out` is as it was.
    """
    target = Path(os.path.realpath(out))
    _check_replaceable(target, out, is_ours)
    _make_parent(target)
    _remove_leftovers(target)
    part, lock = _make_part(target)
    try:
        yield part
        _sync_tree(part)
        _check_replaceable(target, out, is_ours)
        _keep_mode(target, part)
        _swap(part, target)
        _sync_folder(target.parent)
    finally:
        # This name now has either unfinished content or what was at `target` before.
        shutil.rmtree(part, ignore_errors=True)
        os.close(lock)


@contextmanager
def atomic_file(path: Path, *, beside: Path | None = None) -> Iterator[Path]:
    """A path to write to, with the suffix of `path`, that becomes `path` when the block ends.

    Parents of `path` are made. A symbolic link at `path` is followed. An existing file's mode and owner are kept. What
    is no file (`is_stream`) is not replaced: the finished bytes are written to it.

    Args:
        path: The file to make or to replace.
        beside: A path on the same file system, next to which the unfinished file is written; None for `path` itself.

    Yields:
        A path at which nothing exists yet.

    Raises:
        UsageError: `path` is a folder.
        OSError: As for any file; `path` is unchanged, and nothing else is left behind.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; expected the name of a file to write.")
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder, f"part{path.suffix}")
            yield part
            _send(part, path)
        return
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    _make_parent(target)
    neighbour = target if beside is None else Path(os.path.realpath(beside))
    part = neighbour.with_name(f".{target.stem[:MOST_STEM]}.{_unique()}.part{target.suffix[:MOST_STEM]}")
    try:
        yield part
        _sync(part)
        _keep_mode(target, part)
        part.replace(target)
        _sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether a path is a device, pipe or socket, or what standard output goes to, such as `/dev/stdout`."""
    try:
        found = path.stat()
    except OSError:
        return False
    return not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)) or _is_standard_output(found)


def open_stream(stream: Path) -> BufferedWriter:
    """Open what is no file for writing. Standard output goes on where it is, instead of being opened again.

    Raises:
        UsageError: It is a pipe that nobody reads, for whose reader this would wait.
        OSError: It cannot be opened.
    """
    if _is_standard_output(stream.stat()):
        return os.fdopen(os.dup(1), "wb")
    try:
        descriptor = os.open(stream, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise UsageError(
            f"Nobody reads the pipe {str(stream)!r}; expected one with a reader.", remedy="Start its reader first."
        ) from None
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def _is_standard_output(found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.fstat(1))
    except OSError:  # it is closed
        return False


def _send(part: Path, stream: Path) -> None:
    """Write a file's bytes to a stream."""
    with part.open("rb") as file, open_stream(stream) as out:
        shutil.copyfileobj(file, out)


def _keep_mode(target: Path, part: Path) -> None:
    """Give the new content the mode and owner of the old, as far as this user may."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    with suppress(PermissionError):
        os.chown(part, old.st_uid, old.st_gid)
    part.chmod(stat.S_IMODE(old.st_mode))


def _check_replaceable(target: Path, out: Path, is_ours: Callable[[Path], bool]) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir() or not is_ours(target):
        raise UsageError(
            f"{str(out)!r} exists and is not a bundle or export of latentlink with nothing else in it; "
            "it is left unchanged.",
            remedy="Choose a new name, or remove it first.",
        )
    if os.path.ismount(target):
        raise UsageError(
            f"{str(out)!r} is a mount point, which cannot be replaced in one step; expected a folder in it.",
            remedy=f"Write to {str(out / 'bundle')!r}.",
        )


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{str(target.parent)!r} is a file; expected a folder to write {target.name!r} in.") from None


def _unique() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def _make_part(target: Path) -> tuple[Path, int]:
    """A new sibling, and a descriptor whose lock shows that its writer is running."""
    while True:
        part = target.with_name(f".{target.name}.{_unique()}.part")
        part.mkdir()
        # Before it is locked, another writer may mistake it for a leftover and remove it: then make another one.
        try:
            lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if _try_lock(lock) and part.exists() and os.path.samestat(part.stat(), os.fstat(lock)):
            return part, lock
        os.close(lock)


def _try_lock(lock: int) -> bool:
    """Lock a sibling; returns whether it worked. Without locks on the file system, no writer can remove the sibling."""
    try:
        # Shared, as a network file system grants no exclusive lock on a descriptor that is not open for writing.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_leftovers(target: Path) -> None:
    """Remove the siblings that writers of `target` left when they were killed."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9]+-[0-9a-f]{{8}}\.(part|old)")
    names = sorted(path.name for path in target.parent.iterdir() if pattern.fullmatch(path.name))
    for name in names:
        if name.endswith(".part"):
            _remove_dead(target.with_name(name))
    for name in names:
        aside = target.with_name(name)
        if name.endswith(".part") or aside.with_suffix(".part").exists():
            continue
        # killed between the two renames of `_swap`
        with suppress(OSError):
            if os.path.lexists(target):
                shutil.rmtree(aside)
            else:
                aside.rename(target)


def _remove_dead(part: Path) -> None:
    """Remove a sibling unless its writer is running. A process's locks end with it, however it ends."""
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(part, ignore_errors=True)
        finally:
            os.close(descriptor)


def _swap(part: Path, target: Path) -> None:
    """Give `part` the name `target`; the old content of `target` gets the name `part` or is deleted."""
    if not os.path.lexists(target):
        part.rename(target)
        return
    if _exchange(part, target):
        return
    aside = part.with_suffix(".old")
    try:
        target.rename(aside)
        part.rename(target)
    except BaseException:
        if os.path.lexists(aside) and not os.path.lexists(target):
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux 3.15, renameat2(2)); False if that is not supported."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _sync_tree(root: Path) -> None:
    """Write a folder to the disk, so that a power cut cannot leave empty files under the final name."""
    for folder, _, files in os.walk(root, topdown=False):
        for name in files:
            _sync(Path(folder, name))
        _sync_folder(Path(folder))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    try:
        _sync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # from file systems that cannot sync a folder
            raise
