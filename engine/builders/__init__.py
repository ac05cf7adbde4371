"""Builders: each compiles one graph for one target. `table.py` names the module of each target, imported on use."""

from __future__ import annotations

from latentlink.engine.builders.job import BuildOptions, Job, OnPhase
from latentlink.engine.builders.table import BUILDERS, Opener, open_on_cpu

__all__ = [
    # the job
    "Job",
    "OnPhase",
    "BuildOptions",
    # the builders by target
    "BUILDERS",
    "Opener",
    "open_on_cpu",
]  # fmt: skip
