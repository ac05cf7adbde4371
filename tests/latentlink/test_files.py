"""Writes that end badly: killed, interrupted, on a full disk, over a user's folder. The old content stays whole."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from latentlink import files
from latentlink.errors import UsageError
from latentlink.files import atomic_file, replacing_directory

WRITER = """
    import signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
    from pathlib import Path
    from latentlink.files import atomic_file, replacing_directory

    def say(word):
        print(word, flush=True)

    with replacing_directory(Path(sys.argv[1]), is_ours=lambda path: True) as part:
        (part / "sub").mkdir()
        (part / "sub" / "half").write_bytes(bytes(1000))
        say("writing")
        time.sleep(60)
"""
KILLED_AFTER_THE_FIRST_RENAME = """
    import os, signal, sys
    from pathlib import Path
    from latentlink import files

    def rename(self, target, rename=Path.rename):
        rename(self, target)
        os.kill(os.getpid(), signal.SIGKILL)

    files._exchange = lambda one, other: False
    Path.rename = rename
    with files.replacing_directory(Path(sys.argv[1]), is_ours=lambda path: True) as part:
        (part / "content").write_text("new")
"""


def anything(path: Path) -> bool:
    """For tests in which the folder is known to be replaceable."""
    return True


def nothing(path: Path) -> bool:
    """For tests in which the folder is the user's."""
    return False


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An old folder with one file."""
    path = tmp_path / "out"
    path.mkdir()
    (path / "content").write_text("old")
    return path


def write(out: Path, text: str) -> None:
    """A good write."""
    with replacing_directory(out, is_ours=anything) as part:
        (part / "content").write_text(text)


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def writer(out: Path, script: str = WRITER) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a write to `out`."""
    command = [sys.executable, "-c", textwrap.dedent(script), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_whole_write_replaces_the_old_folder_and_leaves_nothing_else(out: Path) -> None:
    write(out, "new")
    assert (out / "content").read_text() == "new"
    assert names(out.parent) == ["out"]


def test_a_write_to_a_new_name_makes_the_folders_on_the_way(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "out", "new")
    assert names(tmp_path / "a" / "b") == ["out"]


def test_the_old_folder_is_there_until_the_new_one_is_whole(out: Path) -> None:
    with replacing_directory(out, is_ours=anything) as part:
        assert part.parent == out.parent
        assert (out / "content").read_text() == "old"


def test_a_written_folder_has_the_permissions_of_any_new_folder(out: Path) -> None:
    old = out.stat().st_mode
    write(out, "new")
    assert out.stat().st_mode == old


def test_a_killed_write_leaves_the_old_folder_and_the_next_write_cleans_up(out: Path) -> None:
    with writer(out) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (out / "content").read_text() == "old"
    assert len(names(out.parent)) == 2
    write(out, "new")
    assert (out / "content").read_text() == "new"
    assert names(out.parent) == ["out"]


def test_a_write_that_was_killed_before_there_was_a_folder_leaves_none(tmp_path: Path) -> None:
    with writer(tmp_path / "out") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "out").exists()
    write(tmp_path / "out", "new")
    assert names(tmp_path) == ["out"]


def test_an_interrupted_write_leaves_the_old_folder_and_nothing_else(out: Path) -> None:
    with writer(out) as process:
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate()[1]
    assert (out / "content").read_text() == "old"
    assert names(out.parent) == ["out"]


def test_a_living_writer_is_not_disturbed_by_the_next_one(out: Path) -> None:
    with writer(out):
        other = next(path for path in out.parent.iterdir() if path.suffix == ".part")
        write(out, "new")
        assert (other / "sub" / "half").exists()
        assert (out / "content").read_text() == "new"


def test_of_two_writers_the_last_one_to_end_wins(out: Path) -> None:
    with replacing_directory(out, is_ours=anything) as part:
        (part / "content").write_text("first to begin")
        write(out, "last to begin")
    assert (out / "content").read_text() == "first to begin"
    assert names(out.parent) == ["out"]


def test_two_writers_of_a_new_name_both_succeed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with replacing_directory(out, is_ours=anything) as part:
        (part / "content").write_text("first to begin")
        write(out, "last to begin")
    assert (out / "content").read_text() == "first to begin"
    assert names(tmp_path) == ["out"]


def test_leftovers_of_other_names_are_left(out: Path) -> None:
    for name in (".other.1-00000000.part", ".out.part", ".out.1-00000000.part.x", ".out2.1-00000000.part"):
        (out.parent / name).mkdir()
    write(out, "new")
    assert len(names(out.parent)) == 5


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_write_that_raises_leaves_the_old_folder_and_nothing_else(error: type[BaseException], out: Path) -> None:
    with pytest.raises(error), replacing_directory(out, is_ours=anything) as part:
        (part / "content").write_text("new")
        raise error
    assert (out / "content").read_text() == "old"
    assert names(out.parent) == ["out"]


@pytest.mark.parametrize("broken", ["fsync", "exchange"])
def test_a_disk_that_fails_at_the_end_leaves_the_old_folder_and_nothing_else(
    broken: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "exchange": (files, "_exchange")}[broken], full)
    with pytest.raises(OSError, match="No space left"), replacing_directory(out, is_ours=anything) as part:
        (part / "content").write_text("new")
    assert (out / "content").read_text() == "old"
    assert names(out.parent) == ["out"]


def test_a_disk_that_is_full_in_the_middle_leaves_the_old_folder_and_nothing_else(out: Path) -> None:
    script = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))
        {WRITER.replace("bytes(1000)", "bytes(10_000)").replace(chr(10), chr(10) + "    ")}
    """
    with writer(out, script) as process:
        assert "File too large" in process.communicate()[1]
    assert (out / "content").read_text() == "old"
    assert names(out.parent) == ["out"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_the_users_is_refused_before_any_work(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "thesis"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("words")
    with pytest.raises(UsageError, match="thesis"), replacing_directory(path, is_ours=nothing):
        pytest.fail("the block ran")
    assert names(tmp_path) == ["thesis"]


def test_what_becomes_the_users_meanwhile_is_left_to_him(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(UsageError), replacing_directory(path, is_ours=nothing):
        path.mkdir()
        (path / "thesis").write_text("words")
    assert (path / "thesis").read_text() == "words"
    assert names(tmp_path) == ["out"]


def test_a_mount_point_is_refused_before_any_work(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == out)
    with pytest.raises(UsageError, match="mount point"), replacing_directory(out, is_ours=anything):
        pytest.fail("the block ran")


def test_a_file_in_the_place_of_a_parent_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    with (
        pytest.raises(UsageError, match="is a file"),
        replacing_directory(tmp_path / "file/out", is_ours=anything),
    ):
        pytest.fail("the block ran")


def test_a_link_is_followed_and_stays_a_link(out: Path) -> None:
    link = out.parent / "current"
    link.symlink_to("out")
    write(link, "new")
    assert link.is_symlink()
    assert (out / "content").read_text() == "new"


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that cannot exchange two names."""
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)


@pytest.mark.usefixtures("no_exchange")
def test_without_exchange_the_folder_is_replaced_all_the_same(out: Path) -> None:
    write(out, "new")
    assert (out / "content").read_text() == "new"
    assert names(out.parent) == ["out"]


@pytest.mark.usefixtures("no_exchange")
def test_without_exchange_a_failed_rename_puts_the_old_folder_back(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail_for_part(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_part)
    with pytest.raises(OSError, match="Input/output"):
        write(out, "new")
    assert (out / "content").read_text() == "old"
    assert names(out.parent) == ["out"]


def test_without_exchange_a_write_killed_between_the_renames_is_mended_by_the_next_one(out: Path) -> None:
    with writer(out, KILLED_AFTER_THE_FIRST_RENAME) as process:
        assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    with pytest.raises(RuntimeError), replacing_directory(out, is_ours=anything):
        raise RuntimeError
    assert (out / "content").read_text() == "old"
    assert names(out.parent) == ["out"]


def test_a_file_appears_whole_and_keeps_its_suffix_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "picture.png"
    with atomic_file(path) as part:
        assert part.suffix == ".png"
        part.write_bytes(b"picture")
        assert not path.exists()
    assert path.read_bytes() == b"picture"
    assert names(path.parent) == ["picture.png"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_file_whose_write_raises_stays_as_it_was(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_file(path) as part:
        part.write_bytes(b"ne")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["picture.png"]


def test_a_file_on_a_full_disk_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), atomic_file(path) as part:
        part.write_bytes(b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["picture.png"]


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"), atomic_file(tmp_path):
        pytest.fail("the block ran")


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_gets_the_finished_bytes_and_stays_a_pipe(tmp_path: Path, linked: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    out = tmp_path / "link" if linked else pipe
    if linked:
        out.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_file(out) as part:
        part.write_text("content")
        assert os.read(reader, 100) == b""
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert {*tmp_path.iterdir()} == {pipe, out}


def test_a_pipe_gets_nothing_if_the_block_fails(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ZeroDivisionError), atomic_file(pipe) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="Nobody reads the pipe"), atomic_file(pipe) as part:
        part.write_text("content")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
@pytest.mark.parametrize("linked", [False, True])
def test_a_device_is_written_to_and_stays_a_device(tmp_path: Path, linked: bool) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_bytes(b"")
    except PermissionError:
        pytest.skip("this container may not make devices")
    out = tmp_path / "link" if linked else device
    if linked:
        out.symlink_to(device)
    with atomic_file(out) as part:
        part.write_text("content")
    assert stat.S_ISCHR(device.stat().st_mode)
    assert {*tmp_path.iterdir()} == {device, out}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_written_over_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(mode)
    with atomic_file(path) as part:
        part.write_text("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def test_a_folder_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    out.chmod(0o2750)
    with replacing_directory(out, is_ours=anything) as part:
        (part / "a").write_text("new")
    assert stat.S_IMODE(out.stat().st_mode) == 0o2750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_stays_theirs(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    os.chown(path, 1234, 4321)
    with atomic_file(path) as part:
        part.write_text("new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every file")
def test_a_file_that_may_not_be_written_to_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(PermissionError), atomic_file(path):
        pytest.fail("the block ran")
    assert path.read_text() == "old"
