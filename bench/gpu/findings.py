"""What `bench.gpu` found, as plain data: verdicts, figures, and the exit status that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal, TypeAlias

from latentlink.bench.cost import Spread
from latentlink.errors import ExitStatus

Verdict: TypeAlias = Literal["passed", "failed", "not run"]
Figures: TypeAlias = Mapping[str, float | str]
"""By a name that ends in its unit: `worst_db`, `peak_mb`."""

OURS = "latentlink"
"""First word of what LatentLink's own sides are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of one target.

    Args:
        name: A key of `latentlink.bench.gpu.checks.CHECKS`.
        target: A key of `latentlink.engine.targets.table.TARGETS`.
        precision: `fp32` or `fp16`.
        verdict: What became of it.
        reason: Why it did not pass; empty where it did.
        figures: What was measured.
    """

    name: str
    target: str
    precision: str
    verdict: Verdict
    reason: str = ""
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedModel:
    """What is measured: one model at one size.

    Args:
        model: A key of `latentlink.bench.checkpoints.table.CHECKPOINTS`.
        width: Pixels.
        height: Pixels.
        batch: Pictures; with guidance the denoiser runs on twice as many.
    """

    model: str
    width: int
    height: int
    batch: int

    def __str__(self) -> str:
        return f"{self.model} {self.width}x{self.height}, batch {self.batch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast one system does a piece of work.

    Args:
        work: What it does.
        side: `latentlink tensorrt-rtx`, `diffusers eager`, ...
        verdict: `passed` where it was measured.
        reason: Why it was not.
        step: Seconds a denoising step.
        total: Seconds from the prompts to the pictures.
        tflop: 10^12 operations a step, see `latentlink.bench.cost.flops`.
        share: Of the machine's measured matrix-product peak that a step reaches, 0 to 1.
        peak_mb: Device memory that it took at most, 10^6 bytes, where that was measured.
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
        tflops: 10^12 operations a second.
        how: What was run.
    """

    tflops: float
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReport:
    """All of a run.

    Args:
        provenance: Machine and versions, see `latentlink.bench.cost.gpu_provenance`.
        targets: Those that were asked for by name; they have to run.
        checks: In the order they ran.
        speeds: Likewise.
        peak: Or None where no speed was measured.
    """

    provenance: Mapping[str, Any]
    targets: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    speeds: tuple[Speed, ...] = ()
    peak: Peak | None = None

    @property
    def ran(self) -> set[str]:
        """Targets that something ran on."""
        checked = {check.target for check in self.checks if check.verdict != "not run"}
        sides = [speed.side.split() for speed in self.speeds if speed.verdict != "not run"]
        return checked | {side[1] for side in sides if side[0] == OURS}

    @property
    def status(self) -> ExitStatus:
        """`FAILED` where something failed, `ENGINE_NOT_VALID_HERE` where no target or not every asked one ran."""
        if "failed" in {*(check.verdict for check in self.checks), *(speed.verdict for speed in self.speeds)}:
            return ExitStatus.FAILED
        if not self.ran or not self.ran >= {*self.targets}:
            return ExitStatus.ENGINE_NOT_VALID_HERE
        return ExitStatus.DONE

    def to_json(self) -> dict[str, Any]:
        """As JSON values, which have no infinity: a PSNR of equal pictures is the text `inf`."""
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
    """How many times as fast a side does a step as another that took turns with it, and so stands after it.

    Returns:
        None where one of them was not measured.
    """
    after = speeds[speeds.index(speed) :]
    other = next((one for one in after if one.side == than and one.work == speed.work), None)
    if other is None or other.step is None or speed.step is None:
        return None
    return other.step.median / speed.step.median
