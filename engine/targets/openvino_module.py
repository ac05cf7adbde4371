"""The `openvino` package, imported here only, and its names of types and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from latentlink.engine.targets.table import OPENVINO
from latentlink.errors import PreflightError, SymbolError
from latentlink.ports import Port

TYPES: Mapping[str, str] = {"f32": "float32", "f16": "float16", "u8": "uint8", "i32": "int32", "i64": "int64"}
"""The port's dtype by OpenVINO's name of a type."""

NO_MEMORY = ("bad_alloc", "Cannot allocate memory", "out of memory")
"""Parts of out-of-memory messages of the C++ library, of the kernel and of oneDNN."""


def openvino() -> Any:
    """Import the package.

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
    """Names of an engine's input or output: its symbols if it has any, as OpenVINO also adds names of removed nodes."""
    names = sorted(value.get_names())
    return [name for name in names if _is_symbol(name)] or names[:1]


def _is_symbol(name: str) -> bool:
    try:
        Port.parse(name)
    except SymbolError:
        return False
    return True


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception of OpenVINO means that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
