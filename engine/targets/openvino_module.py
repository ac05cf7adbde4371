"""The `openvino` package: imported here and nowhere else, and what it calls things."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from latentlink.engine.targets.table import OPENVINO
from latentlink.errors import PreflightError, SymbolError
from latentlink.ports import Port

TYPES: Mapping[str, str] = {"f32": "float32", "f16": "float16", "u8": "uint8", "i32": "int32", "i64": "int64"}
"""What OpenVINO calls a type, and what ports call it."""

NO_MEMORY = ("bad_alloc", "Cannot allocate memory", "out of memory")
"""Words of the C++ library, of the kernel and of oneDNN."""


def openvino() -> Any:
    """The package.

    Raises:
        PreflightError: It is not installed, or cannot be loaded.
    """
    try:
        return import_module("openvino")
    except ImportError as error:
        raise PreflightError(
            f"The target openvino-cpu needs OpenVINO, which cannot be loaded: {error}.",
            remedy=f"Install it: {OPENVINO.install}.",
        ) from None


def tensor_names(value: Any) -> list[str]:
    """Names of a port of a compiled engine: its symbols where it has any, as OpenVINO adds the names of nodes that it
    took out beside it.
    """
    names = sorted(value.get_names())
    return [name for name in names if _is_symbol(name)] or names[:1]


def _is_symbol(name: str) -> bool:
    try:
        Port.parse(name)
    except SymbolError:
        return False
    return True


def is_memory(error: Exception) -> bool:
    """Whether what OpenVINO raised says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
