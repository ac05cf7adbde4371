"""Agreement of an engine's outputs with a reference, and the threshold of each precision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.quality.shortfall import Shortfall, summary

# An 8-bit picture may differ by rounding alone: one level is 1/255.
LEVEL = 1 / 255

# float16 tensors between engines may differ by rounding too: one unit in the last place of 11 bits, in a few elements.
UNIT, UNIT_PSNR = 2**-10, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What an engine's outputs have to reach.

    Args:
        worst: Largest accepted difference, as a share of the reference's largest value.
        psnr: Least accepted PSNR in dB; the peak is the reference's largest value.
        picture_psnr: The same for 8-bit pictures, where rounding turns any difference into whole levels.
    """

    worst: float
    psnr: float
    picture_psnr: float


# float32 differs by the order of accumulation only: the exporter reaches 5e-6 on the real families, and deep networks
# with random weights are ten times worse conditioned. float16 and bfloat16 have 11 and 8 significant bits, and a
# denoiser is some hundred roundings deep: single elements may be far off, but only a few, which the PSNR ensures. int8
# and float8 are judged by their pictures (`gate.py`); the probes only show that it is the same network: the demo
# model in int8 has 26 dB and 0.16 of the largest value.
THRESHOLDS: Mapping[str, Threshold] = {
    "float32": Threshold(worst=1e-4, psnr=80.0, picture_psnr=55.0),
    "float16": Threshold(worst=3e-2, psnr=45.0, picture_psnr=40.0),
    "bfloat16": Threshold(worst=2e-1, psnr=28.0, picture_psnr=28.0),
    "int8": Threshold(worst=5e-1, psnr=18.0, picture_psnr=18.0),
    "int8+bfloat16": Threshold(worst=5e-1, psnr=18.0, picture_psnr=18.0),
    "float8": Threshold(worst=5e-1, psnr=18.0, picture_psnr=18.0),
}
"""By the precision of the engine."""

FLOAT32 = THRESHOLDS["float32"]
"""For float32 engines where nothing more is known of the network."""

ONNX_REFERENCE = Threshold(worst=1e-3, psnr=70.0, picture_psnr=55.0)
"""For float32 engines whose reference ONNX Runtime computed, in float32 at the engine's own size. It sums a whole
normalisation group into one number; a VAE's group has a million elements at 512x512, and the last ones lose half of
their digits (3.4e-4 and 83 dB from float64; torch, which made the other probes, is at 2e-6)."""

LOOSEST = THRESHOLDS["bfloat16"]
"""For precisions that are not in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How close outputs are to their reference: the worst value of each measure over all outputs.

    Args:
        cosine: Cosine similarity of output and reference as vectors.
        psnr: dB; the peak is the reference's largest value (255 for 8-bit pictures); infinite where both are equal.
        worst: Largest difference, as a share of the largest absolute value of the same output.
        max_abs: Largest difference, in the output's units.
        needed_psnr: Least accepted `psnr`.
        needed_worst: Largest accepted `worst`.
    """

    cosine: float
    psnr: float
    worst: float
    max_abs: float
    needed_psnr: float
    needed_worst: float

    @property
    def sufficient(self) -> bool:
        """Whether both thresholds are reached. NaN reaches none."""
        return not self.shortfalls()

    def shortfalls(self) -> tuple[Shortfall, ...]:
        """The measures that miss their threshold."""
        found = []
        if not self.psnr >= self.needed_psnr:
            found.append(Shortfall(code="psnr", found=self.psnr, needed=self.needed_psnr))
        if not self.worst <= self.needed_worst:
            found.append(Shortfall(code="worst", found=self.worst, needed=self.needed_worst))
        return tuple(found)

    def to_json(self, reference: str) -> dict[str, str | float]:
        """The `parity` record of an engine in a manifest. JSON has no infinity: an infinite PSNR is left out."""
        measured = {"cosine": self.cosine, "psnr": self.psnr}
        return {
            "reference": reference,
            "max_abs": self.max_abs,
            "relative": self.worst,
            "tolerance": self.needed_worst,
            **{name: value for name, value in measured.items() if math.isfinite(value)},
        }

    def summary(self) -> str:
        """The measures that miss their threshold, for an error message: `PSNR 12.0 dB, expected at least 55`."""
        return summary(self.shortfalls())


def measure_agreement(
    pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    precision: str,
    *,
    onnx: bool = False,
    threshold: Threshold | None = None,
) -> Agreement:
    """Compare outputs with their references.

    Args:
        pairs: At least one `(output, reference)`, of equal shape; uint8 references are pictures.
        precision: Precision that the outputs were computed in; one that is not in `THRESHOLDS` has the loosest.
        onnx: Whether ONNX Runtime computed the references, see `ONNX_REFERENCE`.
        threshold: What the outputs have to reach, where more is known than their precision; None: by the precision.

    Returns:
        The worst value of every measure.
    """
    if threshold is None:
        threshold = ONNX_REFERENCE if onnx and precision == "float32" else THRESHOLDS.get(precision, LOOSEST)
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
        # np.minimum and np.maximum keep NaN; min() and max() may drop it
        max_abs = float(np.maximum(max_abs, largest))
        worst = float(np.maximum(worst, largest / peak))
        psnr = float(np.minimum(psnr, decibel(peak**2, float(np.mean(difference**2)))))
        cosine = float(np.minimum(cosine, _cosine(output, reference)))
    return Agreement(
        cosine=cosine, psnr=psnr, worst=worst, max_abs=max_abs, needed_psnr=needed_psnr, needed_worst=needed_worst
    )


def decibel(power: float, error: float) -> float:
    """`10 log10(power / error)`; infinite without an error, NaN if the error is NaN."""
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
    """Peak signal-to-noise ratio in dB of 8-bit pictures; infinite if they are equal."""
    error = float(np.mean((reference.astype(np.float64) - other.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
