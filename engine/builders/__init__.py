"""Builders compile one component's graph for one target. `table.py` names each target's module, imported when used."""

from __future__ import annotations

from latentlink.engine.builders.job import BuildOptions, Job, OnPhase
from latentlink.engine.builders.table import BUILDERS, Opener, open_on_cpu

__all__ = [
    # what is built, and how
    "Job",
    "OnPhase",
    "BuildOptions",
    # by target
    "BUILDERS",
    "Opener",
    "open_on_cpu",
]  # fmt: skip
