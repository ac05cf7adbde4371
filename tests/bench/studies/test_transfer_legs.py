"""The measurement of transfers, on two captions."""

from __future__ import annotations

import numpy as np

from latentlink.bench.studies.transfer_legs import AHEAD, FORCED, LEGS, OWN, measure_legs, sheet, table
from latentlink.demo.grammar import held_out


def test_both_legs_are_far_ahead_of_the_wrong_decoder_and_are_shown_beside_it() -> None:
    measured = measure_legs([scene.caption for scene in held_out()[:2]], steps=8)
    assert min(measured.ahead(leg) for leg in LEGS) >= AHEAD
    assert max(measured.psnrs[FORCED]) < min(measured.psnrs[LEGS[0]])
    assert OWN not in measured.psnrs
    lines = table(measured).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [*LEGS, FORCED]
    picture = np.asarray(sheet(measured, 2))
    assert picture.shape[1] > 5 * 128
