from __future__ import annotations

import numpy as np
import pytest

from latentlink.bench.sheets.grid import GAP, GridCell, GridRow, grid, stacked

BLACK = GridCell(picture=np.zeros((8, 8, 3), np.uint8), note="a note")


def test_a_grid_is_wide_enough_for_its_label_and_every_column() -> None:
    sheet = grid(["one", "two"], [GridRow(label="a label", cells=(BLACK, BLACK))], side=64, label_width=100)

    assert sheet.width == 100 + 2 * (64 + GAP) + GAP
    assert sheet.getpixel((100 + GAP + 32, sheet.height - GAP - 40)) == (0, 0, 0)


def test_a_row_with_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="'short' has 1 cells; expected 2"):
        grid(["one", "two"], [GridRow(label="short", cells=(BLACK,))])


def test_a_picture_keeps_its_proportions_in_the_middle_of_its_cell() -> None:
    wide = GridCell(picture=np.zeros((8, 16, 3), np.uint8))

    sheet = np.asarray(grid([""], [GridRow(label="", cells=(wide,))], side=64, label_width=0))

    dark = np.argwhere((sheet == 0).all(axis=2))
    height, width = np.ptp(dark, axis=0) + 1
    assert (height, width) == (32, 64)
    assert sheet.shape[0] - dark[:, 0].max() - 1 == GAP + 16


def test_an_empty_cell_holds_its_reason_and_no_picture() -> None:
    def drawn(reason: str) -> np.ndarray:
        return np.asarray(grid([""], [GridRow(label="", cells=(GridCell(picture=None, reason=reason),))]))

    assert not np.array_equal(drawn(""), drawn("a guard refused it"))
    assert drawn("").shape == drawn("a guard refused it " * 1000).shape


def test_grids_below_each_other_have_headings_and_the_width_of_the_widest() -> None:
    one = grid(["one"], [GridRow(label="", cells=(BLACK,))], side=64, label_width=0)
    two = grid(["one", "two"], [GridRow(label="", cells=(BLACK, BLACK))], side=64, label_width=0)

    sheet = stacked("what they share", [("first", one), ("", two)])

    assert sheet.width == two.width
    without = stacked("", [("", one), ("", two)])
    assert without.height == one.height + two.height < sheet.height
    assert without.crop((0, 0, *one.size)) == one
    assert sheet.crop((0, sheet.height - two.height, *sheet.size)) == two
