from __future__ import annotations

import numpy as np
import pytest

from latentlink.bench.sheets.grid import GAP, GridCell, GridRow, grid

BLACK = GridCell(picture=np.zeros((8, 8, 3), np.uint8), note="a note")


def test_a_grid_is_wide_enough_for_its_label_and_every_column() -> None:
    sheet = grid(["one", "two"], [GridRow(label="a label", cells=(BLACK, BLACK))], side=64, label_width=100)

    assert sheet.width == 100 + 2 * (64 + GAP) + GAP
    assert sheet.getpixel((100 + GAP + 32, sheet.height - GAP - 40)) == (0, 0, 0)


def test_a_row_with_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="'short' has 1 cells; expected 2"):
        grid(["one", "two"], [GridRow(label="short", cells=(BLACK,))])
