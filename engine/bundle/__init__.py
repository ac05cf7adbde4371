"""The bundle: a directory with a manifest, engines, tokenizers and probes. Reading, checking and writing it."""

from __future__ import annotations

from latentlink.engine.bundle.bundle import (
    Bundle,
    check_outside,
    is_bundle,
    replacing_bundle,
    rewrite_manifest,
    write_bundle,
)
from latentlink.engine.bundle.calibration_records import LatentRange, StepCache
from latentlink.engine.bundle.component_entry import ComponentEntry
from latentlink.engine.bundle.engine_comparison import ComparedEngine, EngineComparison
from latentlink.engine.bundle.engine_entry import EXPORTED, EngineEntry, Fact, SizeLimits, SizeRange
from latentlink.engine.bundle.manifest import SHALLOW, Manifest
from latentlink.engine.bundle.probe_file import read_probes, write_probes
from latentlink.engine.bundle.probes import Arrays, Probe, Probes, RunEngine
from latentlink.engine.bundle.record_checks import REMEDY
from latentlink.engine.bundle.sampling import Sampling
from latentlink.engine.bundle.tokenizer_entry import TokenizerEntry
from latentlink.engine.bundle.tree import FileEntry

__all__ = [
    # the directory
    "Bundle",
    "REMEDY",
    "check_outside",
    "is_bundle",
    "replacing_bundle",
    "rewrite_manifest",
    "write_bundle",
    # the manifest and its records
    "ComparedEngine",
    "ComponentEntry",
    "EXPORTED",
    "EngineComparison",
    "EngineEntry",
    "Fact",
    "FileEntry",
    "LatentRange",
    "Manifest",
    "SHALLOW",
    "Sampling",
    "SizeLimits",
    "SizeRange",
    "StepCache",
    "TokenizerEntry",
    # probes
    "Arrays",
    "Probe",
    "Probes",
    "RunEngine",
    "read_probes",
    "write_probes",
]  # fmt: skip
