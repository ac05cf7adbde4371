"""Whether an exported graph computes what its torch module computes; the figures go into the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import onnxruntime as ort
import torch
from numpy.typing import NDArray

from latentlink.engine.bundle import Probes
from latentlink.engine.quality import Agreement, Threshold, measure_agreement
from latentlink.processors import processors

ReferenceRun: TypeAlias = tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]]
"""Inputs and reference outputs, in the graph's order."""

TORCH = f"torch {torch.__version__} float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Agreement of ONNX Runtime on the CPU with the reference, over all outputs and example sizes.

    Args:
        reference: What it is compared with: torch in float32, or `onnx`: the imported plain graph, run by itself with
            torch's arithmetic before and after it.
        agreement: The figures.
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
        """Upper limit of `relative`."""
        return self.agreement.needed_worst

    @property
    def passed(self) -> bool:
        """Whether the graph may be used. NaN does not pass."""
        return self.agreement.sufficient

    def to_json(self) -> dict[str, Any]:
        """The entry in the manifest."""
        return self.agreement.to_json(self.reference)


def compare_with_reference(
    path: Path,
    cases: Sequence[ReferenceRun],
    probes: Probes,
    precision: str,
    threshold: Threshold | None = None,
) -> Parity:
    """Run the graph at `path` on the inputs of each case and probe and compare with the reference outputs.

    Args:
        path: ONNX file.
        cases: Example inputs with reference outputs.
        probes: Golden inputs and outputs.
        precision: Precision that the graph computes in; it sets the tolerance.
        threshold: What a float32 graph has to reach, see `rounding_threshold`; None: what all of its precision have to.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = processors()
    options.add_session_config_entry("session.disable_prepacking", "1")
    if precision != "float32":
        # The CPU computes these in float32: optimising would keep a second copy of every weight, twice as large.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def pairs() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for feeds, references in cases:
            yield from zip(session.run(None, dict(zip(inputs, feeds, strict=True))), references, strict=True)
        for probe in probes.probes:
            yield from probe.pairs(dict(zip(outputs, session.run(None, dict(probe.inputs)), strict=True)))

    return Parity(reference=probes.reference, agreement=measure_agreement(pairs(), precision, threshold=threshold))
