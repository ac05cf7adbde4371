"""Does the exported graph compute what the torch module computes? The answer is printed and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import onnxruntime as ort
import torch
from numpy.typing import NDArray

from latentlink.engine.bundle import Probes
from latentlink.engine.quality import Agreement, measure_agreement

Case: TypeAlias = tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]]
"""Inputs and reference outputs, in the order of a graph's own."""

TORCH = f"torch {torch.__version__} float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far ONNX Runtime on the CPU is from the reference, over all outputs and example sizes.

    Args:
        reference: What it is compared with: torch in float32, or `onnx`, the plain graph it was made around, run by
            itself with torch's arithmetic before and after.
        agreement: How far it is.
    """

    reference: str
    agreement: Agreement

    @property
    def max_abs(self) -> float:
        """Largest absolute difference, in the output's units."""
        return self.agreement.max_abs

    @property
    def relative(self) -> float:
        """Largest difference over the largest absolute value of the same output."""
        return self.agreement.worst

    @property
    def tolerance(self) -> float:
        """What `relative` may be at most."""
        return self.agreement.needed_worst

    @property
    def passed(self) -> bool:
        """Whether the graph may be used. NaN does not pass."""
        return self.agreement.sufficient

    def to_json(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return self.agreement.to_json(self.reference)


def compare(
    path: Path,
    cases: Sequence[Case],
    probes: Probes,
    precision: str,
) -> Parity:
    """Run the graph at `path` on the inputs of each case and probe and compare with the reference outputs.

    Args:
        path: ONNX file.
        cases: What to run it on.
        probes: Golden inputs and outputs.
        precision: What the graph computes in: sets the tolerance.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    if precision != "float32":
        # The CPU computes these in float32: optimising would hold every weight a second time, twice as large.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for given, references in cases:
            yield from zip(session.run(None, dict(zip(inputs, given, strict=True))), references, strict=True)
        for probe in probes.probes:
            yield from probe.pairs(dict(zip(outputs, session.run(None, dict(probe.inputs)), strict=True)))

    return Parity(reference=probes.reference, agreement=measure_agreement(pairs(), precision))
