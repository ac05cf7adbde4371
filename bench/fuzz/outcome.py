"""What became of one job, and when that is a finding."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from latentlink.errors import ExitStatus, LatentLinkError

FRAME = re.compile(r'File "[^"]*/latentlink/([^"]+)\.py", line \d+,? in (\w+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One mutation to try. Equal jobs are equal mutations of equal input.

    Args:
        seed: The user's seed.
        kind: Name of the kind.
        number: Number of the job within its kind.
        command_line: Whether it is tried through the command line rather than the API.
    """

    seed: int
    kind: str
    number: int
    command_line: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job.

    Args:
        job: The job.
        mutation: What was changed.
        ended: How it ended, in a word or two: `right picture`, the class of an error, `hang`.
        finding: The signature of what should not have happened; None if all is well.
        detail: The error's message, or the traceback.
    """

    job: Job
    mutation: str
    ended: str
    finding: str | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def of_error(error: BaseException, right: Collection[ExitStatus]) -> tuple[str, str | None, str]:
    """How a job ended that raised: the class, the finding if it is one, and the detail."""
    name = type(error).__name__
    if isinstance(error, LatentLinkError) and error.status in right and str(error).strip():
        return name, None, str(error)
    detail = "".join(traceback.format_exception(error))
    return name, f"{name} in {_innermost(error.__traceback__)}", detail[-6000:]


def frame_of(text: str, *, last: bool) -> str:
    """The innermost frame of this package in the text of a traceback.

    Args:
        text: The traceback.
        last: Whether the innermost frame is the last one, as Python prints it, or the first, as faulthandler does.
    """
    found = [
        f"{path.replace('/', '.')}:{name}" for path, name in FRAME.findall(text) if not path.startswith("bench/fuzz")
    ]
    return "no frame" if not found else found[-1] if last else found[0]


def _innermost(trace: TracebackType | None) -> str:
    return frame_of("".join(traceback.format_tb(trace)), last=True)
