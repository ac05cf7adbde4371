"""What commands print and how they end, in a process of their own."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from latentlink.errors import BundleError, LatentLinkError
from latentlink.terminal.ending import ending
from latentlink.terminal.printing import say, say_table, shown

NAMES = {
    "markup": "[/red] [link=http://x]y[/link] [bold]",
    "emoji code": ":cat:",
    "escape sequence": "\x1b[31mred\x1b[0m",
    "several lines": "one\nverified\r: yes\x00",
    "right to left": "exe\u202egnp",
    "undecodable bytes": os.fsdecode(b"\xff"),
    "line separator": "a\u2028b",
    "Persian with a joiner": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "emoji": "\U0001f469\u200d\U0001f680",
    "long": "d" * 300,
}


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_any_text_is_printed_on_one_line_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    printed = capsys.readouterr().out
    assert printed == shown(text) + "\n"
    assert printed.count("\n") == 1 and not set(printed) & set("\x1b\r\x00\u202e\u2028")
    if text.isprintable() or "joiner" in text or "\u200d" in text:
        assert printed == text + "\n"


def test_columns_are_as_wide_as_their_longest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(("name", "size"), [("[red]" * 30, "1"), ("図", "22"), ("short",)], right=True)
    assert capsys.readouterr().out.splitlines() == [
        "name" + " " * 146 + "  size",
        "[red]" * 30 + "     1",
        "図" + " " * 148 + "    22",
        "short",
    ]


def run(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    program = "from latentlink.terminal.ending import ending\nwith ending('tool'):\n    " + code
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, **more}
    )


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_a_terminal_without_the_characters_gets_escapes(text: str) -> None:
    code = f"from latentlink.terminal.printing import *; say({text!a}); complain({text!a}); raise ValueError"
    done = run(code, PYTHONIOENCODING="ascii")
    assert "UnicodeEncodeError" not in done.stderr
    assert done.stdout.isascii() and done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (BundleError("Damaged [/red].", remedy="Get it again."), 4, "Damaged [/red]. Get it again."),
        (LatentLinkError("Failed."), 1, "Failed."),
        (KeyboardInterrupt(), 130, "Interrupted. No file was left half written."),
        (OSError(errno.EACCES, "Permission denied", "a[/b]"), 1, "Permission denied: a[/b]."),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 1, "The disk is full (x)."),
        (MemoryError(), 1, "Out of memory."),
        (ModuleNotFoundError("", name="torch.nn"), 2, "pip install 'latentlink[export]'"),
        (ModuleNotFoundError("", name="matplotlib"), 2, "pip install 'latentlink[demo]'"),
    ],
)
def test_what_is_raised_becomes_a_sentence_and_a_status(
    raised: BaseException, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, ending("tool"):
        raise raised
    assert ended.value.code == status
    err = capsys.readouterr().err
    assert err.startswith("tool: ") and says in err and err.count("\n") == 1


def test_a_fault_of_the_project_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), ending("tool"):
        raise ZeroDivisionError
    with pytest.raises(ModuleNotFoundError), ending("tool"):
        raise ModuleNotFoundError("", name="latentlink.nothing")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda one: one.name)
def test_a_signal_ends_a_command_after_it_has_cleaned_up(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits it ignored,
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # and what nohup runs inherits this
        "from pathlib import Path\n"
        "from latentlink.files import atomic_file\n"
        "from latentlink.terminal.ending import ending\n"
        f"with ending('tool'), atomic_file(Path({str(out)!r})) as part:\n"
        "    part.write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "tool: Interrupted. No file was left half written.\n")
    assert [*tmp_path.iterdir()] == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending("tool"):
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_goes_away_is_no_fault() -> None:
    program = (
        "import sys; from latentlink.terminal.ending import ending; from latentlink.terminal.printing import say\n"
        "with ending('tool'):\n    sys.stdin.readline()\n    for _ in range(9): say('x' * 100_000)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 128 + signal.SIGPIPE


def test_a_full_device_is_told() -> None:
    program = "from latentlink.terminal.ending import ending\nwith ending('tool'): print('x')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"tool: The disk is full") and b"Traceback" not in done.stderr


def test_closed_streams_are_no_fault() -> None:
    program = "from latentlink.terminal.ending import ending; from latentlink.terminal.printing import say, complain\n"
    program += "with ending('tool'): say('x'); complain('x')"
    done = subprocess.run(f'{sys.executable} -c "{program}" >&- 2>&-', shell=True, check=False)
    assert done.returncode == 0


def test_an_interrupt_that_is_lost_is_raised_again_between_the_parts_of_long_work() -> None:
    done = run(
        "import os, signal\n"
        "    from latentlink.terminal.progress import progress\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except KeyboardInterrupt: pass\n"
        "    with progress() as bar: bar.update(bar.add_task('x', total=1), completed=1)\n"
        "    print('went on')"
    )
    assert (done.returncode, done.stdout) == (130, "")


def test_an_import_is_not_interrupted_but_what_comes_after_it(tmp_path: Path) -> None:
    module = tmp_path / "slow.py"
    module.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nwhole = True\n")
    done = run(
        "import signal, sys\n"
        f"    sys.path.insert(0, {str(tmp_path)!r})\n"
        "    import slow\n"
        "    print(slow.whole, flush=True)",
    )
    assert (done.returncode, done.stdout) == (130, "True\n")
    assert "Traceback" not in done.stderr
