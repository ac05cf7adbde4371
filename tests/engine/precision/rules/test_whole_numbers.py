"""Whole numbers: what is cast to them is computed in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from latentlink.engine.precision import convert
from latentlink.engine.precision.rules.whole_numbers import whole_numbers

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Claimed, Compute, Read

BUCKETS = """(int64[L] distance, float[5,4] TEXT) => (float[L,4] y) <float eight = {8}, ones[512,4] table>
    { far = Cast<to = 1>(distance)  part = Div(far, eight)  log = Log(part)  step = Mul(log, eight)
      bucket = Cast<to = 7>(step)  rows = Gather(table, bucket)  y = Relu(rows) }"""


def test_buckets_of_distances_are_claimed_and_what_is_looked_up_is_not(claimed: Claimed) -> None:
    assert set(claimed(whole_numbers, BUCKETS)) == {"far", "part", "log", "step", "bucket"}


def test_no_distance_falls_into_another_bucket(read: Read, compute: Compute) -> None:
    model = read(BUCKETS)
    model.graph.initializers["table"].const_value = _numbered(512)
    distances, text = np.arange(8, 2000), np.zeros((5, 4), np.float32)
    wanted = compute(model, distances, text)[0]
    for precision in ("float16", "bfloat16"):
        convert(model, precision)
        convert(model, "float32")
        # numbers below 64 are exact in every type
        np.testing.assert_array_equal(compute(model, distances, text)[0], wanted)


def _numbered(rows: int) -> ir.TensorProtocol:
    """A table whose rows hold their numbers, from 0 again after 64."""
    return ir.tensor(np.repeat(np.arange(rows, dtype=np.float32)[:, None], 4, axis=1) % 64)
