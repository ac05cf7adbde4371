"""The packages of TensorRT and TensorRT for RTX, which have the same API; imported here only."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from latentlink.engine.targets.table import TARGETS
from latentlink.errors import PreflightError

MODULES: Mapping[str, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    # the first is a package that re-exports the second
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}

ERRORS = 5
"""Most errors that a message shows."""


class ErrorLog(Protocol):
    """A logger for TensorRT that prints nothing."""

    raised: BaseException | None
    """An exception raised in the logger, above all by Ctrl-C; TensorRT itself would swallow it."""

    def summary(self) -> str:
        """The errors since the last call, to continue a sentence."""
        ...

    def check(self) -> None:
        """Raise an exception that was raised in the logger, once; call it after each call of TensorRT."""
        ...


def error_log(trt: Any) -> ErrorLog:
    """Make a logger that stores errors.

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
            except BaseException as error:  # must not propagate into C++, which would lose it
                self.raised = error

        def check(self) -> None:
            raised, self.raised = self.raised, None
            if raised is not None:
                raise raised

        def summary(self) -> str:
            errors = [error.rstrip(".") for error in self.errors[:ERRORS]]
            self.errors.clear()
            return "; ".join(errors) or "it does not say why"

    return Log()


def import_tensorrt(target: str) -> Any:
    """Import the module of a target, `tensorrt` or `tensorrt-rtx`.

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
