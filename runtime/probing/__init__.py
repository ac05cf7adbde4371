"""Probes: running engines on golden inputs, and judging one that is to take another's place."""

from __future__ import annotations

from latentlink.runtime.probing.candidate import Candidate, check_candidate, judge
from latentlink.runtime.probing.running import load_probes, runner
from latentlink.runtime.probing.verify import Checked, opener, verify_quick

__all__ = [
    # engines of a bundle
    "Checked",
    "opener",
    "verify_quick",
    "load_probes",
    "runner",
    # a component from elsewhere
    "Candidate",
    "check_candidate",
    "judge",
]  # fmt: skip
