"""The bundle: a directory with a manifest, engines, tokenizers and probes. Reading, checking and writing it."""

from __future__ import annotations

from latentlink.engine.bundle.bundle import Bundle, is_bundle, rewrite_manifest, write_bundle
from latentlink.engine.bundle.manifest import (
    SHALLOW,
    ComponentEntry,
    EngineEntry,
    Fact,
    LatentRange,
    Manifest,
    Measured,
    Sampling,
    StepCache,
    TokenizerEntry,
)
from latentlink.engine.bundle.probes import Arrays, Probe, Probes, Run

__all__ = [
    # the directory
    "Bundle",
    "is_bundle",
    "rewrite_manifest",
    "write_bundle",
    # the manifest
    "ComponentEntry",
    "EngineEntry",
    "Fact",
    "LatentRange",
    "Manifest",
    "Measured",
    "Sampling",
    "SHALLOW",
    "StepCache",
    "TokenizerEntry",
    # probes
    "Arrays",
    "Probe",
    "Probes",
    "Run",
]  # fmt: skip
