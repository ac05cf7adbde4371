"""How a command ends: what was raised becomes one sentence on standard error and an exit status."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Never

import click

from latentlink.errors import ExitStatus, LatentLinkError
from latentlink.terminal.interrupts import interrupts
from latentlink.terminal.printing import complain, end_quietly

_EXPORT = ("torch", "diffusers", "transformers", "onnx", "onnx_ir", "onnxscript", "optimum")

EXTRAS: Mapping[str, str] = {**dict.fromkeys(_EXPORT, "export"), "matplotlib": "demo", "skimage": "test"}
"""Libraries that the base install does not have, with the extra that installs each."""


@contextmanager
def ending(program: str = "latentlink", *, worded: Callable[[LatentLinkError], str] = str) -> Iterator[None]:
    """Run a command so that whatever it raises on purpose ends the process with one sentence and its exit status.

    SIGTERM and SIGHUP end it as Ctrl-C does: what is half written is removed first. Only the main thread may enter it.

    Args:
        program: Name that the sentence begins with.
        worded: Makes the sentence of an error.

    Raises:
        SystemExit: The block raised an error of the project, of click, of the system or of memory, or was interrupted,
            or imported a library that an extra installs. Other exceptions are faults of the project, and pass through.
    """
    _print_any_character()
    try:
        with interrupts():
            yield
            _flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        _end(program, "Interrupted. No file was left half written.", ExitStatus.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.USAGE)
    except LatentLinkError as error:
        _end(program, worded(error), error.status)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRAS:
            raise
        remedy = f"Install it: pip install 'latentlink[{EXTRAS[library]}]'."
        _end(program, f"This command needs {library}, but it is not installed. {remedy}", ExitStatus.USAGE)
    except BrokenPipeError:
        end_quietly()
    except OSError as error:
        if error.errno is None:
            raise
        _end(program, _system_words(error), ExitStatus.FAILED)
    except MemoryError as error:
        reason = " ".join(str(error).split()).rstrip(".") or "Out of memory"
        _end(program, f"{reason}. Use a smaller size or batch.", ExitStatus.FAILED)


def _system_words(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'while writing'}). Free some space."
    return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."


def _end(program: str, message: str, status: int) -> Never:
    complain(f"{program}: {message}")
    sys.exit(status)


def _print_any_character() -> None:
    """Have characters that the terminal's encoding lacks printed as escapes, also where click prints."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
