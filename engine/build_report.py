"""What a build decided, as values: engines that were dropped, targets that were skipped, what could not be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from latentlink.engine.bundle import EngineComparison, Manifest
from latentlink.engine.feasible import Obstacle
from latentlink.engine.precision import ConversionReport
from latentlink.engine.quality import Shortfall
from latentlink.engine.targets import Finding

DISAGREES = "disagrees"
"""Code of an engine whose outputs miss the thresholds on its component's probes."""

FAILED = "failed"
"""Code of a target for which no engine of a component could be built, where `auto` goes on with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedEngine:
    """An engine that is not in the bundle.

    Args:
        code: `DISAGREES` or `FAILED`.
        component: `denoiser`, ...
        target: What it was built for.
        precision: What it computes in.
        shortfalls: The measures that it missed; empty for `FAILED`.
        message: What the builder reported; empty for `DISAGREES`.
        remedy: What to do.
    """

    code: str
    component: str
    target: str
    precision: str
    shortfalls: tuple[Shortfall, ...] = ()
    message: str = ""
    remedy: str = ""

    def summary(self) -> str:
        """Why it was dropped: `PSNR 12.0 dB, expected at least 45`."""
        return self.message or "; ".join(one.summary() for one in self.shortfalls)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedTarget:
    """A target that `auto` did not try, as its engines cannot be built or run on this machine with these options.

    Args:
        target: The target.
        reason: Why its engines cannot run here, or cannot be built.
    """

    target: str
    reason: Finding | Obstacle

    def summary(self) -> str:
        """The reason in one line."""
        return self.reason.reason() if isinstance(self.reason, Finding) else self.reason.summary().rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class UncheckedEngine:
    """An engine of the bundle that cannot run on this machine, so that its probes were not run.

    Args:
        component: `denoiser`, ...
        target: What it was built for.
        precision: What it computes in.
        finding: Why it cannot run here.
    """

    component: str
    target: str
    precision: str
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """The result of a build.

    Args:
        manifest: The manifest of the bundle.
        conversions: By component that was converted to another precision, what stayed in float32.
        dropped: Engines that are not in the bundle.
        skipped: With the target `auto`, the targets that were not tried.
        unchecked: Engines that cannot run on this machine.
    """

    manifest: Manifest
    conversions: Mapping[str, ConversionReport] = field(default_factory=dict)
    dropped: tuple[DroppedEngine, ...] = ()
    skipped: tuple[SkippedTarget, ...] = ()
    unchecked: tuple[UncheckedEngine, ...] = ()

    @property
    def comparisons(self) -> dict[str, EngineComparison]:
        """With the target `auto`, what was measured, by component."""
        return {name: one.measured for name, one in self.manifest.components.items() if one.measured is not None}

    def to_json(self) -> dict[str, Any]:
        """The manifest's JSON with `precisions`, `dropped`, `skipped` and `unchecked` beside its own keys."""
        return self.manifest.to_json() | {
            "precisions": {name: report.to_json() for name, report in self.conversions.items()},
            "dropped": [asdict(one) for one in self.dropped],
            "skipped": [asdict(one) for one in self.skipped],
            "unchecked": [asdict(one) for one in self.unchecked],
        }
