"""Observers: a scale from counts alone, and how the three differ on numbers with an outlier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.formats import FORMATS
from latentlink.calibration.observers import BINS, Histogram, by_mse, by_percentile, by_range, weight_scales

INT8 = FORMATS["int8"]


def with_outlier() -> tuple[NDArray[np.float32], Histogram]:
    """100,000 normal numbers and one of 40, in a histogram that saw them in parts."""
    values = np.concatenate([np.random.default_rng(0).standard_normal(100_000), [40.0]]).astype(np.float32)
    seen = Histogram(top=float(np.abs(values).max()))
    for part in np.array_split(values, 7):
        seen.add(part)
    return values, seen


def test_a_histogram_counts_every_number_once_whatever_parts_it_comes_in() -> None:
    values, seen = with_outlier()
    assert seen.counts.sum() == values.size
    assert seen.counts[-1] == 1
    np.testing.assert_array_equal(seen.counts, np.histogram(np.abs(values), bins=BINS, range=(0, seen.top))[0])


def test_the_range_clips_nothing_and_the_percentile_a_ten_thousandth() -> None:
    values, seen = with_outlier()
    assert np.isclose(by_range(seen, INT8) * 127, 40)
    clipped = np.mean(np.abs(values) > by_percentile(seen, INT8) * 127)
    assert 0.00002 < clipped <= 0.0001


def test_the_least_squared_error_is_less_than_that_of_the_other_two() -> None:
    values, seen = with_outlier()

    def error(scale: float) -> float:
        return float(np.mean((INT8.round(values / scale) * scale - values) ** 2))

    found = by_mse(seen, INT8)
    assert error(found) <= min(error(by_range(seen, INT8)), error(by_percentile(seen, INT8))) * 1.001
    assert found < by_range(seen, INT8)


def test_what_is_always_zero_still_has_a_scale() -> None:
    seen = Histogram(top=0.0)
    seen.add(np.zeros(10, np.float32))
    assert all(observer(seen, INT8) > 0 for observer in (by_range, by_percentile, by_mse))


def test_weights_have_a_scale_a_channel_that_reaches_the_largest_code() -> None:
    weights = np.random.default_rng(1).standard_normal((3, 4, 5)).astype(np.float32)
    for axis in range(3):
        scales = weight_scales(weights, axis, INT8)
        shape = [1, 1, 1]
        shape[axis] = -1
        codes = INT8.round(weights / scales.reshape(shape))
        others = tuple(number for number in range(3) if number != axis)
        np.testing.assert_array_equal(np.abs(codes).max(axis=others), 63)
