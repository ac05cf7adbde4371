"""Photographs through the published tiny VAEs: the right decoder, the wrong one, a transfer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from latentlink.bench.sheets.photographs import BACK, FORCED, MOVED, OWN, SHOWN, Trial, one_way_each, sheet, trials
from latentlink.runtime.guards.faults import picture_fault
from tests.house import ROOT

pytestmark = pytest.mark.xdist_group("published_vaes")
WAYS = (OWN, FORCED, MOVED, BACK)


@pytest.fixture(scope="module")
def found(tiny_vaes: Mapping[str, Path]) -> list[Trial]:
    return [*trials(tiny_vaes, ["coffee"])]


def test_a_wrong_decoder_ruins_a_photograph_that_a_transfer_keeps(found: list[Trial]) -> None:
    for trial in found:
        assert trial.psnr(FORCED) < 14 < 23 < min(trial.psnr(way) for way in (OWN, MOVED, BACK))


def test_the_page_has_the_figures(found: list[Trial]) -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    for trial in found:
        row = re.search(rf"^\| {trial.name} \| {trial.spaces[0]} \|(.*)\|$", page, re.MULTILINE)
        assert row
        stated = [float(cell.split()[0]) for cell in row[1].split("|")]
        # rounded to 0.1 dB, and at most a level of rounding apart on another processor
        assert np.allclose(stated, [trial.psnr(way) for way in WAYS], atol=0.11)


def test_no_picture_guard_notices_the_wrong_decoder(found: list[Trial]) -> None:
    assert [picture_fault(trial.pictures[FORCED]) for trial in found] == [None, None]


def test_a_sheet_has_a_row_for_each_photograph() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    every = [
        Trial(name=name, spaces=spaces, photograph=picture, pictures=dict.fromkeys(WAYS, picture + 1))
        for name in ("a", "b")
        for spaces in (("sd", "sdxl"), ("sdxl", "sd"))
    ]
    chosen = one_way_each(every)
    assert [(trial.name, trial.spaces[0]) for trial in chosen] == [("a", "sd"), ("b", "sdxl")]
    assert 2 * SHOWN < sheet(chosen).height < 3 * SHOWN
