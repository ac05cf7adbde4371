"""Probes: running engines on golden inputs, and judging a component that is to replace another."""

from __future__ import annotations

from latentlink.runtime.probing.candidate import CandidateResult, check_candidate, judge
from latentlink.runtime.probing.running import load_probes, runner
from latentlink.runtime.probing.verify import EngineCheck, check_engine, opener

__all__ = [
    # engines of a bundle
    "EngineCheck",
    "check_engine",
    "opener",
    "load_probes",
    "runner",
    # a component from elsewhere
    "CandidateResult",
    "check_candidate",
    "judge",
]  # fmt: skip
