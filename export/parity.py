"""Does the exported graph compute what the torch module computes? The answer is printed and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

# Largest difference over the largest value of the reference. float32: accumulation order only; 5e-6 is what the
# exporter reaches on the real families, and deep random-weight networks are ten times worse conditioned.
# float16 and bfloat16 have 11 and 8 significant bits, and a denoiser is some hundred roundings deep.
TOLERANCES = {"float32": 1e-4, "float16": 3e-2, "bfloat16": 2e-1}

TORCH = f"torch {torch.__version__} float32"

# An 8-bit picture may differ by rounding alone: one level is 1/255.
LEVEL = 1 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far ONNX Runtime on the CPU is from the reference, over all outputs and example sizes.

    Args:
        reference: What it is compared with: torch in float32, or `onnx`, the plain graph it was made around, run by
            itself with torch's arithmetic before and after.
        max_abs: Largest absolute difference, in the output's units.
        relative: Largest difference over the largest absolute value of the same output.
        tolerance: What `relative` may be at most.
    """

    reference: str
    max_abs: float
    relative: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the graph may be used. NaN does not pass."""
        return self.relative <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return asdict(self)


def compare(
    path: Path,
    cases: Sequence[tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]]],
    *,
    dtype: str,
    reference: str = TORCH,
) -> Parity:
    """Run the graph at `path` on the inputs of each case and compare with its reference outputs.

    Args:
        path: ONNX file.
        cases: `(inputs, reference outputs)`, in the order of the graph's own inputs and outputs.
        dtype: What the graph computes in: sets the tolerance.
        reference: Where the reference outputs come from.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    if dtype != "float32":
        # The CPU computes these in float32: optimising would hold every weight a second time, twice as large.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    max_abs = relative = 0.0
    tolerance = TOLERANCES[dtype]
    for inputs, references in cases:
        results = session.run(None, dict(zip(names, inputs, strict=True)))
        for result, expected in zip(results, references, strict=True):
            if expected.dtype == np.uint8:
                tolerance = max(tolerance, LEVEL)
            wanted = expected.astype(np.float64)
            difference = float(np.abs(result.astype(np.float64) - wanted).max())
            # np.maximum keeps a NaN, where max() may lose it
            max_abs = float(np.maximum(max_abs, difference))
            relative = float(np.maximum(relative, difference / max(float(np.abs(wanted).max()), 1e-12)))
    return Parity(reference=reference, max_abs=max_abs, relative=relative, tolerance=tolerance)
