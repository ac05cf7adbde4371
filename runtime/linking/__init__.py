"""Choosing, opening and linking the engines of a pipeline."""

from __future__ import annotations

from latentlink.runtime.linking.choice import choose
from latentlink.runtime.linking.decisions import Admission, Decision, Proof, Skipped
from latentlink.runtime.linking.engine_memory import EngineMemory
from latentlink.runtime.linking.link import Engine, Linked, LinkedVae, as_declared
from latentlink.runtime.linking.opening import OpenedEngine, Opening, close_all, no_step_cache
from latentlink.runtime.linking.source import ComponentSource, Sources

__all__ = [
    # where components come from
    "ComponentSource",
    "Sources",
    # opening their engines
    "choose",
    "EngineMemory",
    "OpenedEngine",
    "Opening",
    "close_all",
    # linking them
    "Engine",
    "Linked",
    "LinkedVae",
    "as_declared",
    # what was decided
    "Admission",
    "Decision",
    "Proof",
    "Skipped",
    "no_step_cache",
]  # fmt: skip
