"""TensorRT and TensorRT for RTX: two packages of one API. Imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from latentlink.engine.targets.table import TARGETS
from latentlink.errors import PreflightError

MODULES: Mapping[str, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    # the second is what the first, a package of its own, re-exports
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}

ERRORS = 5
"""Errors that a message shows."""


class ErrorLog(Protocol):
    """A logger for TensorRT that prints nothing."""

    raised: BaseException | None
    """What Python raised while TensorRT logged, Ctrl-C above all: TensorRT would swallow it."""

    def summary(self) -> str:
        """The errors since it was last asked, to go on in a sentence."""
        ...

    def check(self) -> None:
        """Raise what was raised while TensorRT logged, once; call it when TensorRT has returned."""
        ...


def error_log(trt: Any) -> ErrorLog:
    """A logger that keeps errors, to be told in one sentence.

    Args:
        trt: A module of `import_tensorrt`.
    """

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []
            self.raised: BaseException | None = None

        def log(self, severity: Any, message: str) -> None:
            try:
                if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                    self.errors.append(" ".join(message.split()))
            except BaseException as error:  # must not get into C++, which loses it
                self.raised = error

        def check(self) -> None:
            raised, self.raised = self.raised, None
            if raised is not None:
                raise raised

        def summary(self) -> str:
            told = [error.rstrip(".") for error in self.errors[:ERRORS]]
            self.errors.clear()
            return "; ".join(told) or "it does not say why"

    return Log()


def import_tensorrt(target: str) -> Any:
    """The module of a target, `tensorrt` or `tensorrt-rtx`.

    Raises:
        PreflightError: It is not installed, or cannot be loaded.
    """
    problem = "it is not installed"
    for name in MODULES[target]:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError) as error:
            problem = f"{name} cannot be loaded ({error})"
    (package,) = TARGETS[target].packages
    raise PreflightError(
        f"The target {target} needs {package.title}, but {problem}.", remedy=f"Install it: {package.install}."
    )
