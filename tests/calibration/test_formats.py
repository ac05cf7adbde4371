"""Formats: rounding to codes is what the machine's own types do."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from latentlink.calibration.formats import FORMATS


def test_float8_codes_are_those_of_the_type_itself_subnormals_and_ties_included() -> None:
    every = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    every = np.sort(every[np.isfinite(every)])
    middles = (every[1:] + every[:-1]) / 2
    values = np.concatenate([every, middles, np.nextafter(middles, 0), np.linspace(-448, 448, 9999)], dtype=np.float32)
    rounded = FORMATS["fp8"].round(values)
    np.testing.assert_array_equal(rounded, values.astype(ml_dtypes.float8_e4m3fn).astype(np.float32))


def test_what_is_too_large_becomes_the_largest_code_of_either_sign() -> None:
    for target in FORMATS.values():
        found = target.round(np.array([-1e6, 1e6]))
        np.testing.assert_array_equal(found, [-target.largest, target.largest])
