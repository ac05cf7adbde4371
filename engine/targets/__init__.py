"""Targets: what an engine is compiled for, what that needs of a machine, and the libraries that run it."""

from __future__ import annotations

from latentlink.engine.targets.fingerprint import Finding, make_fingerprint, preflight
from latentlink.engine.targets.machine import Machine, this_machine
from latentlink.engine.targets.table import TARGETS, Target

__all__ = [
    # what there is
    "TARGETS",
    "Target",
    # where it is valid
    "Finding",
    "make_fingerprint",
    "preflight",
    "Machine",
    "this_machine",
]  # fmt: skip
