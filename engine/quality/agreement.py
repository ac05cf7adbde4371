"""How well what was computed agrees with a reference, and how well it has to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# An 8-bit picture may differ by rounding alone: one level is 1/255.
LEVEL = 1 / 255

# So may what crosses between engines in float16: one unit in the last place of 11 bits, in a few elements.
UNIT, UNIT_PSNR = 2**-10, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What an engine's outputs have to reach.

    Args:
        worst: Largest difference over the largest value of the reference.
        psnr: dB, where the peak is the largest value of the reference.
        picture_psnr: The same of 8-bit pictures, whose rounding turns any difference into whole levels.
    """

    worst: float
    psnr: float
    picture_psnr: float


# float32: accumulation order only; 5e-6 is what the exporter reaches on the real families, and deep random-weight
# networks are ten times worse conditioned. float16 and bfloat16 have 11 and 8 significant bits, and a denoiser is some
# hundred roundings deep: single elements go astray, but not many of them, which is what the PSNR says. int8 and float8
# are chosen by their pictures (`gate.py`); on probes they show that it is the same network: the trained demo model has
# 26 dB and 0.16 of the largest in int8.
THRESHOLDS: Mapping[str, Threshold] = {
    "float32": Threshold(worst=1e-4, psnr=80.0, picture_psnr=55.0),
    "float16": Threshold(worst=3e-2, psnr=45.0, picture_psnr=40.0),
    "bfloat16": Threshold(worst=2e-1, psnr=28.0, picture_psnr=28.0),
    "int8": Threshold(worst=5e-1, psnr=18.0, picture_psnr=18.0),
    "int8+bfloat16": Threshold(worst=5e-1, psnr=18.0, picture_psnr=18.0),
    "float8": Threshold(worst=5e-1, psnr=18.0, picture_psnr=18.0),
}
"""By what an engine computes in."""

FITTED = Threshold(worst=1e-3, psnr=70.0, picture_psnr=55.0)
"""Of float32 where the reference was computed in float32 too, by ONNX Runtime at an engine's own size: it adds up the
elements of a group that is normalised in one number, and of the million that a VAE's group has at 512x512 the last ones
lose half of their digits (3.4e-4 and 83 dB from float64; torch, which made the other probes, is at 2e-6)."""

LOOSEST = THRESHOLDS["bfloat16"]
"""Of precisions that are not in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far outputs are from their reference, over all of them; the least good of each measure.

    Args:
        cosine: Of the angle between the two, as vectors.
        psnr: dB, the peak being the largest value of the reference (255 for 8-bit pictures); infinite where equal.
        worst: Largest difference over the largest absolute value of the same output.
        max_abs: Largest difference, in the output's units.
        needed_psnr: What `psnr` has to be at least.
        needed_worst: What `worst` may be at most.
    """

    cosine: float
    psnr: float
    worst: float
    max_abs: float
    needed_psnr: float
    needed_worst: float

    @property
    def passed(self) -> bool:
        """Whether it is good enough. NaN does not pass."""
        return self.psnr >= self.needed_psnr and self.worst <= self.needed_worst

    def to_json(self, reference: str) -> dict[str, str | float]:
        """What a manifest keeps of it as an engine's `parity`; JSON has no infinite PSNR, which is left out."""
        measured = {"cosine": self.cosine, "psnr": self.psnr}
        return {
            "reference": reference,
            "max_abs": self.max_abs,
            "relative": self.worst,
            "tolerance": self.needed_worst,
            **{name: value for name, value in measured.items() if math.isfinite(value)},
        }

    def said(self) -> str:
        """The measures that failed, as a sentence says them: `PSNR 12.0 dB, expected at least 55.0`."""
        parts = []
        if not self.psnr >= self.needed_psnr:
            parts.append(f"PSNR {self.psnr:.1f} dB, expected at least {self.needed_psnr:g}")
        if not self.worst <= self.needed_worst:
            parts.append(f"worst element {self.worst:.2g} of the largest, expected at most {self.needed_worst:.2g}")
        return "; ".join(parts)


def agreement(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]], precision: str, *, fitted: bool = False) -> Agreement:
    """Compare outputs with their references.

    Args:
        pairs: `(output, reference)` of equal shape; uint8 references are pictures. At least one.
        precision: What the outputs were computed in; one that is not in `THRESHOLDS` has the loosest.
        fitted: Whether the references were computed by ONNX Runtime, see `FITTED`.

    Returns:
        The least good of every measure.
    """
    threshold = FITTED if fitted and precision == "float32" else THRESHOLDS.get(precision, LOOSEST)
    cosine, psnr, worst, max_abs = 1.0, math.inf, 0.0, 0.0
    needed_psnr, needed_worst = threshold.psnr, threshold.worst
    for output, reference in pairs:
        wanted = reference.astype(np.float64)
        difference = output.astype(np.float64) - wanted
        peak = max(float(np.abs(wanted).max()), 1e-12)
        if reference.dtype == np.uint8:
            needed_psnr, needed_worst = threshold.picture_psnr, max(threshold.worst, LEVEL)
            peak = 255.0
        elif reference.dtype == np.float16:
            needed_psnr, needed_worst = min(needed_psnr, UNIT_PSNR), max(needed_worst, UNIT)
        largest = float(np.abs(difference).max())
        # np.minimum and np.maximum keep a NaN, where min() and max() may lose it
        max_abs = float(np.maximum(max_abs, largest))
        worst = float(np.maximum(worst, largest / peak))
        psnr = float(np.minimum(psnr, decibel(peak**2, float(np.mean(difference**2)))))
        cosine = float(np.minimum(cosine, _cosine(output, reference)))
    return Agreement(
        cosine=cosine, psnr=psnr, worst=worst, max_abs=max_abs, needed_psnr=needed_psnr, needed_worst=needed_worst
    )


def decibel(power: float, error: float) -> float:
    """10 log10 of `power / error`; infinite where there is no error, NaN where it is NaN."""
    if error == 0:
        return math.inf
    return (
        10 * math.log10(power / error) if power > 0 and math.isfinite(error) else -math.inf if error > 0 else math.nan
    )


def _cosine(output: NDArray[Any], reference: NDArray[Any]) -> float:
    a, b = output.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    product = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / product if product else float(np.array_equal(a, b))


def psnr(reference: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures; infinite where they are equal."""
    error = float(np.mean((reference.astype(np.float64) - other.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
