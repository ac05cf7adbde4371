"""TensorRT and TensorRT for RTX: two packages of one API. Imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from latentlink.engine.targets import TARGETS
from latentlink.errors import PreflightError

MODULES: Mapping[str, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    # the second is what the first, a package of its own, re-exports
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}


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
