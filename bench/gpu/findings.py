"""The findings of `bench.gpu` as plain data: verdicts, figures, and the resulting exit status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal, TypeAlias

from latentlink.bench.cost import Spread
from latentlink.errors import ExitStatus

Verdict: TypeAlias = Literal["passed", "failed", "not run"]
Figures: TypeAlias = Mapping[str, float | str]
"""Figures by a name that ends with the unit: `worst_db`, `peak_mb`."""

OURS = "latentlink"
"""First word of the names of LatentLink's sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of one target.

    Args:
        name: A key of `latentlink.bench.gpu.checks.CHECKS`, or a step of `latentlink.bench.gpu.first`.
        target: A key of `latentlink.engine.targets.table.TARGETS`; empty for a check of the machine.
        precision: `fp32` or `fp16`; empty for a check of the machine.
        verdict: Verdict of the check.
        reason: Why it did not pass; empty if it did.
        figures: Measurements.
    """

    name: str
    target: str
    precision: str
    verdict: Verdict
    reason: str = ""
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedModel:
    """One model at one size, the unit of speed measurements.

    Args:
        model: A key of `latentlink.bench.checkpoints.table.CHECKPOINTS`.
        width: Picture width in pixels.
        height: Picture height in pixels.
        batch: Number of pictures; with guidance the denoiser runs on twice as many rows.
    """

    model: str
    width: int
    height: int
    batch: int

    def __str__(self) -> str:
        return f"{self.model} {self.width}x{self.height}, batch {self.batch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Speed of one system for one model and size.

    Args:
        work: Model and size.
        side: `latentlink tensorrt-rtx`, `diffusers eager`, ...
        verdict: `passed` if it was measured.
        reason: Why it was not measured.
        step: Seconds per denoising step.
        total: Seconds from the prompts to the pictures.
        tflop: 10^12 operations per step, see `latentlink.bench.cost.flops`.
        share: Share of the machine's measured matrix-product peak that a step reaches, 0 to 1.
        peak_mb: Peak device memory in 10^6 bytes, if measured.
    """

    work: SizedModel
    side: str
    verdict: Verdict
    reason: str = ""
    step: Spread | None = None
    total: Spread | None = None
    tflop: float | None = None
    share: float | None = None
    peak_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The machine's matrix-product peak.

    Args:
        tflops: 10^12 operations per second.
        how: What was run to measure it.
    """

    tflops: float
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReport:
    """All findings of a run.

    Args:
        provenance: Machine and versions, see `latentlink.bench.cost.gpu_provenance`.
        targets: Targets that were named; they have to run.
        checks: Checks, in the order they ran.
        speeds: Speeds, in the order they were measured.
        peak: Matrix-product peak; None if no speed was measured.
    """

    provenance: Mapping[str, Any]
    targets: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    speeds: tuple[Speed, ...] = ()
    peak: Peak | None = None

    @property
    def ran(self) -> set[str]:
        """Targets on which something ran."""
        checked = {check.target for check in self.checks if check.verdict != "not run"} - {""}
        sides = [speed.side.split() for speed in self.speeds if speed.verdict != "not run"]
        return checked | {side[1] for side in sides if side[0] == OURS}

    @property
    def status(self) -> ExitStatus:
        """`FAILED` if something failed, `ENGINE_NOT_VALID_HERE` if no target, or not every named one, ran."""
        if "failed" in {*(check.verdict for check in self.checks), *(speed.verdict for speed in self.speeds)}:
            return ExitStatus.FAILED
        if not self.ran or not self.ran >= {*self.targets}:
            return ExitStatus.ENGINE_NOT_VALID_HERE
        return ExitStatus.DONE

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, which have no infinity: the PSNR of equal pictures is the text `inf`."""
        return {
            "status": int(self.status),
            "provenance": dict(self.provenance),
            "targets": list(self.targets),
            "checks": [
                asdict(check) | {"figures": {name: _plain(value) for name, value in check.figures.items()}}
                for check in self.checks
            ],
            "matrix_product_peak": None if self.peak is None else asdict(self.peak),
            "speeds": [asdict(speed) for speed in self.speeds],
        }


def _plain(value: float | str) -> float | str:
    return value if isinstance(value, str) or isfinite(value) else str(value)


def speedup(speeds: tuple[Speed, ...], speed: Speed, than: str) -> float | None:
    """Speed of a side's step relative to another side that took turns with it, and so comes after it.

    Returns:
        The ratio; None if one of them was not measured.
    """
    after = speeds[speeds.index(speed) :]
    other = next((one for one in after if one.side == than and one.work == speed.work), None)
    if other is None or other.step is None or speed.step is None:
        return None
    return other.step.median / speed.step.median
