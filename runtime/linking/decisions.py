"""Decisions made while a pipeline was opened, as values; the command line turns them into sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from latentlink.engine.targets import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An engine that was skipped.

    Args:
        component: `denoiser`, ...
        target: The engine's target.
        precision: The precision that it computes in; empty if there is no such engine.
        code: Code of the preflight `Finding`, or `below-gate` (its pictures are not good enough), `refused` (its
            runtime did not open it) or `no-engine` (the bundle has none for this target).
        needed: What the engine needs.
        found: What was found instead.
        remedy: What to do.
    """

    component: str
    target: str
    precision: str
    code: str
    needed: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """The reason in words, without the remedy, as errors and the command line say it."""
        match self.code:
            case "below-gate":
                return f"its pictures are below the gate: {self.found}"
            case "refused":
                return self.found
            case "no-engine":
                return f"needs {self.needed}, but there is {self.found}"
            case _:
                return Finding(code=self.code, needed=self.needed, found=self.found, remedy=self.remedy).reason()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Result of an engine on the probes of its own bundle, which it reproduces.

    Args:
        probes: Number of probes that it ran on.
        psnr: Worst PSNR in dB; infinite where all outputs are equal.
        worst: Largest difference of an element, as a share of the largest value of its output.
    """

    probes: int
    psnr: float
    worst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Result of the probes of a component from another bundle.

    Args:
        host: Name of the bundle whose probes it ran on.
        same: Whether it makes the same numbers as that bundle's own component.
        snr: dB of the golden output that it explains.
    """

    host: str
    same: bool
    snr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which engine of a component runs, and what was decided on the way to it.

    Args:
        component: `denoiser`, ...
        bundle: Name of its bundle, as the user gave it.
        target: Target of the engine; None if the pipeline goes without the component.
        precision: Precision of the engine; None if the pipeline goes without the component.
        skipped: The engines that were preferred, and why they were skipped.
        placement: Number of nodes of a GPU engine by the provider that runs them.
        proof: Result of its own bundle's probes, now or in an earlier load; None if none was run.
        admission: Result of the probes of the denoiser's bundle, for a component from another one.
        purpose: `preview` for a decoder that only makes previews.
    """

    component: str
    bundle: str
    target: str | None
    precision: str | None
    skipped: tuple[Skipped, ...] = ()
    placement: Mapping[str, int] = field(default_factory=dict, hash=False)
    proof: Proof | None = None
    admission: Admission | None = None
    purpose: Literal["run", "preview"] = "run"

    def to_json(self) -> dict[str, Any]:
        """The decision as plain values."""
        return asdict(self)
