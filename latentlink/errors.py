"""The errors that a user can get, each with the exit status of the command line.

A message says in one sentence what was received and what was expected; `remedy` says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """Exit statuses of the command line."""

    DONE = 0
    FAILED = 1  # a failure of the machine: disk full, permission denied, out of memory
    USAGE = 2
    LINK_REFUSED = 3
    BUNDLE_DAMAGED = 4
    ENGINE_NOT_VALID_HERE = 5
    OUTPUT_FAILED_GUARD = 6
    INTERRUPTED = 130


class LatentLinkError(Exception):
    """Base of all errors raised on purpose; `str()` is the message followed by the remedy.

    All of them can be pickled and copied with what they carry, so they cross from one process to another.
    """

    status: ClassVar[ExitStatus] = ExitStatus.FAILED

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # by default an exception is made again from its text alone, which arguments by keyword do not allow
        return type(self).__new__, (type(self), *self.args), self.__dict__


class UsageError(LatentLinkError, ValueError):
    """An argument is not what the operation accepts."""

    status = ExitStatus.USAGE


class SymbolError(UsageError):
    """A name is not a symbol, or a value cannot be written as one."""


class CheckpointError(UsageError):
    """A path or name is not a checkpoint, or not one that can be exported."""


class LinkError(LatentLinkError):
    """Two engines do not fit: what one writes is not what the other reads."""

    status = ExitStatus.LINK_REFUSED


class BundleError(LatentLinkError):
    """A bundle is damaged or incomplete, or its manifest contradicts its engines."""

    status = ExitStatus.BUNDLE_DAMAGED


class BuildError(LatentLinkError):
    """A target's builder does not accept a graph, or fails to compile it."""


class PreflightError(LatentLinkError):
    """No engine of the bundle is valid on this machine."""

    status = ExitStatus.ENGINE_NOT_VALID_HERE


class DeviceError(LatentLinkError):
    """The GPU or its driver failed while an engine ran."""


class GuardError(LatentLinkError):
    """The result of a stage is not a valid latent or picture of this model: NaN, far out of range, flat, or noise.

    Args:
        message: What was found and what was expected.
        stage: The component that wrote it, or the argument that held it.
        numbers: The measured numbers and their limits, by name.
        cause: The likely cause.
        remedy: What to do.
        unusual: By name, the settings of this request that may explain it, with their values: far from what the model
            was made for. Empty if there are none, and the engine is to blame: a service answers 4xx or 5xx by it.
    """

    status = ExitStatus.OUTPUT_FAILED_GUARD

    def __init__(
        self,
        message: str,
        *,
        stage: str,
        numbers: Mapping[str, float],
        cause: str,
        remedy: str = "",
        unusual: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{message} {cause}".strip(), remedy=remedy)
        self.message = message
        self.stage = stage
        self.numbers = dict(numbers)
        self.cause = cause
        self.unusual = dict(unusual or {})


class Cancelled(LatentLinkError):
    """The caller's `on_step` cancelled the run."""

    status = ExitStatus.INTERRUPTED
