"""Targets: what engines are compiled for, what that needs of a machine, and the libraries that run them."""

from __future__ import annotations

from latentlink.engine.targets.fingerprint import Finding, make_fingerprint, preflight
from latentlink.engine.targets.machine import Machine, this_machine
from latentlink.engine.targets.table import REFERENCE_TARGET, TARGETS, Target, target_for_file

__all__ = [
    # the table
    "REFERENCE_TARGET",
    "TARGETS",
    "Target",
    "target_for_file",
    # whether an engine is valid on a machine
    "Finding",
    "make_fingerprint",
    "preflight",
    "Machine",
    "this_machine",
]  # fmt: skip
