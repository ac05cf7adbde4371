"""Convert weights to another type, lazily: one at a time, when they are written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

T = TypeVar("T")

SOURCE = "latentlink.source"
"""Metadata key of a converted tensor's original, so that a second conversion starts from the original."""


def convert_tensor(tensor: ir.TensorProtocol, dtype: ir.DataType) -> ir.TensorProtocol:
    """The same numbers in another floating-point type, rounded to nearest even.

    Infinities, and numbers that the type cannot hold (float32's lowest is beyond bfloat16 too), become the largest
    number of the type. They occur in masks only, as nodes that compute with large numbers stay in float32
    (`out_of_range`). A mask hides as much as before, without NaN if it hides everything; and TensorRT-RTX 1.7's
    compiler fails at an infinite mask.

    Args:
        tensor: Tensor of a floating-point type; if it is mapped from a file, its memory is released after each use.
        dtype: The type to convert to.

    Returns:
        A tensor that computes its numbers at each access and stores none.
    """
    source = original(tensor)
    if source.dtype == dtype:
        return source
    lazy = ir.LazyTensor(
        lambda: ir.tensor(read(source, lambda array: _round(array, dtype)), dtype=dtype),
        dtype=dtype,
        shape=ir.Shape(source.shape.numpy()),
        name=source.name,
    )
    lazy.meta[SOURCE] = source
    return lazy


def original(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """The original of a converted tensor; any other tensor is its own original."""
    source: ir.TensorProtocol = tensor.meta.get(SOURCE, tensor)
    return source


def read(tensor: ir.TensorProtocol, function: Callable[[NDArray[Any]], T]) -> T:
    """Apply a function to a tensor's numbers, and release the memory of a tensor that is mapped from a file.

    Args:
        tensor: Any tensor.
        function: Its result must not refer to the array.
    """
    result = function(tensor.numpy())
    if isinstance(tensor, ir.ExternalTensor):
        # its numbers may still be referenced elsewhere
        with suppress(BufferError):
            tensor.release()
    return result


def _round(array: NDArray[Any], dtype: ir.DataType) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        rounded: NDArray[Any] = array.astype(dtype.numpy())
    if dtype != ir.DataType.FLOAT:
        overflow = np.isinf(rounded)
        rounded[overflow] = np.copysign(dtype.max, array[overflow]).astype(rounded.dtype)
    return rounded
