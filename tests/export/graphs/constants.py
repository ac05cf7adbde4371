"""Watches that optimising a graph drops no operation with an almost neutral constant: `x + 1e-15`, `x * 1.000001`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import onnx_ir as ir

NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0, "Pow": 1.0, "Max": 0.0, "Clip": 0.0}
"""By operator, the constant that changes nothing, or nothing of a positive number."""

NEAR = 1e-4
"""What counts as almost neutral; onnxscript takes 1e-5 for equal."""


def almost_neutral(model: ir.Model) -> Counter[tuple[str, float]]:
    """Operations with an almost neutral constant: operator and constant, and how many."""
    found: Counter[tuple[str, float]] = Counter()
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.inputs:
            number = _number(value)
            if node.op_type in NEUTRAL and number is not None and 0 < abs(number - NEUTRAL[node.op_type]) < NEAR:
                found[node.op_type, number] += 1
    return found


@contextmanager
def kept() -> Iterator[Counter[tuple[str, float]]]:
    """Within the block, an export fails if optimising its graph drops the last operation with such a constant.

    Equal operations on equal values may become one. Yields all that were seen before.
    """
    import torch

    seen: Counter[tuple[str, float]] = Counter()
    optimize = torch.onnx.ONNXProgram.optimize

    def watched(program: torch.onnx.ONNXProgram) -> None:
        before = almost_neutral(program.model)
        optimize(program)
        missing = before.keys() - almost_neutral(program.model).keys()
        assert not missing, f"the graph lost {sorted(missing)}"
        seen.update(before)

    with patch.object(torch.onnx.ONNXProgram, "optimize", watched):
        yield seen


def _number(value: ir.Value | None) -> float | None:
    """The number of a float constant of one element."""
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    if tensor is None or tensor.size != 1 or not tensor.dtype.is_floating_point():
        return None
    return float(np.asarray(tensor.numpy(), np.float64).reshape(()))
