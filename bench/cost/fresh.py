"""Running a function in its own process: a failed GPU or memory still in use does not affect the next run."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from latentlink.errors import LatentLinkError

P = ParamSpec("P")
T = TypeVar("T")

LIMIT = 3600.0
"""Seconds after which a process is considered to hang."""

ENDING = 60.0
"""Seconds in which a process has to end after its answer."""


class ProcessFailed(LatentLinkError):
    """The function raised, or its process died or hung."""


def run_in_new_process(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run a function in a new process, for an hour at most; see `run_within`."""
    return run_within(LIMIT, function, *arguments, **named)


def run_within(seconds: float, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run a function in a new process.

    Args:
        seconds: Time limit.
        function: Function at the top level of a module; its arguments and result can be pickled.

    Raises:
        LatentLinkError: The function raised it.
        ProcessFailed: The function raised another error, or the process died or hung.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, arguments, named))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise ProcessFailed(f"It took more than {seconds:g} seconds and was ended.")
        error, value = receiver.recv()
        process.join(ENDING)
    except EOFError:
        process.join(ENDING)
        raise ProcessFailed(f"Its process died with the exit status {process.exitcode}.") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(error, LatentLinkError):
        raise error
    if error:
        raise ProcessFailed(error)
    result: T = value
    return result


def _run(sender: Connection, function: Callable[..., Any], arguments: Any, named: Any) -> None:
    try:
        sender.send(("", function(*arguments, **named)))
    except LatentLinkError as error:
        sender.send((error, None))
    except Exception as error:
        sender.send((f"{type(error).__name__}: {error}", None))
