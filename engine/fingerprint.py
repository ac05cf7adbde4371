"""What an engine depends on, and whether this machine has it: told without opening the engine."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata

from latentlink.engine.manifest import EngineEntry, Fact
from latentlink.spaces import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why an engine cannot run here.

    Args:
        code: `no-runtime`, `runtime-version`, `machine` or `unknown-target`.
        found: What this machine has.
        needed: What the engine needs.
        remedy: What to do.
    """

    code: str
    found: str
    needed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.code}: it needs {self.needed}, and this machine has {self.found}. {self.remedy}"


REBUILD = "Build it here: latentlink build EXPORTED BUNDLE."

RUNTIMES: Mapping[str, tuple[str, ...]] = {"ort-cpu": ("onnxruntime", "onnxruntime-gpu")}
"""Packages that run each target, any one of them."""


def installed_version(packages: tuple[str, ...]) -> str | None:
    """Version of the first of `packages` that is installed, without importing it."""
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def make_fingerprint(*, target: str, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """The fingerprint of an engine built here: the facts given, the builder, the machine, and a digest of all.

    Args:
        target: The engine's target.
        facts: What else the engine depends on: digest of the source graph and weights, ports, precision, options.
    """
    whole: dict[str, Fact] = {
        **facts,
        "target": target,
        "runtime": f"{RUNTIMES[target][0]} {installed_version(RUNTIMES[target])}",
        "machine": platform.machine(),
        "os": platform.system().lower(),
    }
    return whole | {"digest": digest(whole)}


def preflight(engine: EngineEntry) -> Finding | None:
    """Whether an engine can run on this machine; None where it can."""
    check = CHECKS.get(engine.target)
    if check is None:
        return Finding(
            code="unknown-target",
            found=f"a latentlink that opens {', '.join(CHECKS)}",
            needed=f"one that opens {engine.target}",
            remedy="Update latentlink, or build the bundle for one of these targets.",
        )
    return check(engine)


def _ort_cpu(engine: EngineEntry) -> Finding | None:
    """The graph is optimised only by rules that hold on any processor, so the runtime's version is what counts."""
    found = installed_version(RUNTIMES[engine.target])
    needed = str(engine.fingerprint.get("runtime", "")).removeprefix("onnxruntime ")
    if found is None:
        return Finding(
            code="no-runtime",
            found="none",
            needed="onnxruntime",
            remedy="Install it: pip install onnxruntime.",
        )
    if _release(found) < _release(needed):
        return Finding(
            code="runtime-version",
            found=f"onnxruntime {found}",
            needed=f"onnxruntime {needed} or later",
            remedy=f"Update onnxruntime, or: {REBUILD}",
        )
    return None


def _release(version: str) -> tuple[int, ...]:
    """Major and minor of a version; what is not a number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in [*version.split("."), "0", "0"][:2])


CHECKS: Mapping[str, Callable[[EngineEntry], Finding | None]] = {"ort-cpu": _ort_cpu}
