"""A graph with perturbed weights, for checking refits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NOISE = 0.02
"""Standard deviation of the factor of every weight, around 1."""


def write_perturbed(source: Path, out: Path, *, seed: int = 0) -> int:
    """Write a graph with every weight multiplied by its own random number.

    A weight is a floating-point initialiser with more than one element; inputs of `Resize` are sizes and stay.

    Args:
        source: ONNX file.
        out: ONNX file to write, in another, existing folder; its weights go to `out` + `.data`.
        seed: Seed of the random numbers.

    Returns:
        Number of changed weights.
    """
    import onnx_ir as ir

    model = ir.load(source)
    rng = np.random.default_rng(seed)
    changed = 0
    for value in model.graph.initializers.values():
        tensor = value.const_value
        sizes = any(use.node.op_type == "Resize" for use in value.uses())
        if tensor is None or not tensor.dtype.is_floating_point() or tensor.size <= 1 or sizes:
            continue
        array = tensor.numpy()
        factor = 1 + NOISE * rng.standard_normal(array.shape, np.float32)
        value.const_value = ir.tensor((array.astype(np.float32) * factor).astype(array.dtype), name=tensor.name)
        changed += 1
    ir.save(model, out, external_data=f"{out.name}.data")
    return changed
