"""Weights in another type, converted one at a time when they are written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

T = TypeVar("T")

SOURCE = "latentlink.source"
"""Where a converted tensor keeps the one it is made of, so that converting twice is converting once."""


def converted(tensor: ir.TensorProtocol, dtype: ir.DataType) -> ir.TensorProtocol:
    """The same numbers in another floating-point type, rounded to nearest even.

    Half precision has no infinities here: they, and what the type cannot hold (float32's lowest is beyond bfloat16
    too), become the largest that it can. These are masks, for nodes that compute with large numbers stay in float32
    (`out_of_range`); they hide as much as before, without NaN where all is hidden, and TensorRT-RTX 1.7's compiler
    fails at an infinite one.

    Args:
        tensor: Of a floating-point type; its memory is let go after each use where it is mapped from a file.
        dtype: The type to have.

    Returns:
        A tensor that computes its numbers each time they are asked for and keeps none.
    """
    source = original(tensor)
    if source.dtype == dtype:
        return source
    made = ir.LazyTensor(
        lambda: ir.tensor(read(source, lambda array: _rounded(array, dtype)), dtype=dtype),
        dtype=dtype,
        shape=ir.Shape(source.shape.numpy()),
        name=source.name,
    )
    made.meta[SOURCE] = source
    return made


def original(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """What a converted tensor is made of; any other is its own original."""
    source: ir.TensorProtocol = tensor.meta.get(SOURCE, tensor)
    return source


def read(tensor: ir.TensorProtocol, function: Callable[[NDArray[Any]], T]) -> T:
    """What a function makes of a tensor's numbers. What is mapped from a file is let go afterwards.

    Args:
        tensor: Any.
        function: Its result holds no part of the array that it is given.
    """
    made = function(tensor.numpy())
    if isinstance(tensor, ir.ExternalTensor):
        # somebody else may still hold its numbers
        with suppress(BufferError):
            tensor.release()
    return made


def _rounded(array: NDArray[Any], dtype: ir.DataType) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        made: NDArray[Any] = array.astype(dtype.numpy())
    if dtype != ir.DataType.FLOAT:
        lost = np.isinf(made)
        made[lost] = np.copysign(dtype.max, array[lost]).astype(made.dtype)
    return made
