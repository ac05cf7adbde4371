"""What a run costs: seconds, memory, operations."""

from __future__ import annotations

from latentlink.bench.cost.flops import count_flops
from latentlink.bench.cost.fresh import ProcessFailed, run_in_new_process, run_within
from latentlink.bench.cost.gpu_provenance import clocks, provenance_of_gpu
from latentlink.bench.cost.measure import BundleCost, Spread, measure_bundle, provenance

__all__ = [
    # seconds and memory of a bundle
    "BundleCost",
    "Spread",
    "measure_bundle",
    # a process of its own
    "ProcessFailed",
    "run_in_new_process",
    "run_within",
    # what figures must be read with
    "clocks",
    "provenance_of_gpu",
    "provenance",
    # operations
    "count_flops",
]  # fmt: skip
