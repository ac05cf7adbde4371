"""The same graph with other weights: what an engine is refitted to, and back from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NOISE = 0.02
"""Standard deviation of what every weight is multiplied by, around 1."""


def write_perturbed(source: Path, out: Path, *, seed: int = 0) -> int:
    """Write a graph whose every weight is multiplied by a random number of its own.

    A weight is a floating-point initialiser of more than one element; what `Resize` reads is a size, and stays.

    Args:
        source: ONNX.
        out: ONNX to write, in another folder, its weights beside it in `out` + `.data`; its folder exists.
        seed: Of the random numbers.

    Returns:
        Weights that changed.
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
