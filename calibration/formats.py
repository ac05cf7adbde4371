"""Number formats that weights and activations are quantised to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A number format, symmetric about zero: a number is a code times a scale.

    Args:
        precision: The manifest's name of the precision.
        largest: Largest code.
        weights: Largest code of weights. For int8 it is 63: x86 without VNNI sums pairs of products in 16 bits, which
            hold 2 * 255 * 63 but not 2 * 255 * 127, and ONNX Runtime's sums saturate silently. For the demo model the
            seventh bit is worth 0.6 dB, and the saturation costs 4 dB.
        integer: Whether codes are integers. If not, they are float8 E4M3FN: 3 bits of mantissa, exponents from -6,
            no infinities (Micikevicius et al., "FP8 Formats for Deep Learning", 2022).
        outputs: Whether the outputs of products are quantised too. ONNX Runtime's int8 kernels for processors
            (QLinearConv, QLinearMatMul) need it, and compute in float32 without it. TensorRT does not need it.
    """

    precision: str
    largest: float
    weights: float
    integer: bool
    outputs: bool

    def round(self, values: Floats) -> Floats:
        """The nearest codes of numbers that are divided by their scale already; ties to even; the dtype stays."""
        clipped = np.clip(values, -self.largest, self.largest)
        if self.integer:
            whole: Floats = np.rint(clipped)
            return whole
        _, exponent = np.frexp(clipped)  # |x| in [2**(e-1), 2**e)
        step = np.ldexp(np.ones_like(clipped), np.maximum(exponent - 1, -6) - 3)
        codes: Floats = np.rint(clipped / step) * step
        return codes


FORMATS: Mapping[str, Format] = {
    "int8": Format(precision="int8", largest=127.0, weights=63.0, integer=True, outputs=True),
    "fp8": Format(precision="float8", largest=448.0, weights=448.0, integer=False, outputs=False),
}
"""Formats by the name that users write. The smallest int8 code is -127, so that a weight and its negative have
opposite codes."""
