"""The number formats that weights and activations are quantised to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format, symmetric about zero: a number is its code times a scale.

    Args:
        precision: What manifests and messages call an engine in it.
        largest: Largest code.
        weights: Largest code of weights. In int8 it is 63: x86 without VNNI adds products of codes in pairs of 16 bits,
            which 2 * 255 * 63 fits and 2 * 255 * 127 does not; ONNX Runtime's sums are cut off there without a word.
            The seventh bit is worth 0.6 dB to the demo model, and the saturation costs 4.
        integer: Whether codes are whole numbers; else they are float8 E4M3FN: 3 bits of mantissa, exponents from -6
            on, no infinities (Micikevicius et al., "FP8 Formats for Deep Learning", 2022).
        outputs: Whether what a product writes is quantised too. ONNX Runtime's int8 kernels on a processor are made
            for that (QLinearConv, QLinearMatMul): without it they compute in float32. TensorRT does not need it.
    """

    precision: str
    largest: float
    weights: float
    integer: bool
    outputs: bool

    def rounded(self, values: Floats) -> Floats:
        """The nearest codes of numbers that were divided by their scale, in their dtype, ties to even."""
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
"""By what users call them. Codes of int8 end at -127, so that a weight and its negative are quantised alike."""
