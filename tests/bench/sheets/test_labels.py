"""Labels fit their place, whatever text they are of."""

from __future__ import annotations

import numpy as np
import pytest

from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.bench.sheets.labels import ELLIPSIS, line_width, wrapped

LONG = "a large yellow triangle on a black background, drawn with a soft brush"


def test_a_text_is_broken_between_words() -> None:
    lines = wrapped(LONG, size=16, width=150, lines=9).split("\n")

    assert " ".join(lines) == LONG
    assert len(lines) > 2
    assert all(line_width(line, 16) <= 150 for line in lines)


def test_a_text_without_a_place_to_break_is_broken_anywhere() -> None:
    lines = wrapped("x" * 100, size=16, width=150, lines=99).split("\n")

    assert "".join(lines) == "x" * 100
    assert all(line_width(line, 16) <= 150 for line in lines)


@pytest.mark.parametrize("text", [LONG, "x" * 20_000, "words " * 4000, "W" * 30])
def test_what_does_not_fit_ends_in_an_ellipsis_within_the_width(text: str) -> None:
    lines = wrapped(text, size=13, width=80, lines=2).split("\n")

    assert len(lines) == 2
    assert lines[-1].endswith(ELLIPSIS)
    assert all(line_width(line, 13) <= 80 for line in lines)


@pytest.mark.parametrize(
    "text", ["", "赤い円", "круг", "دائرة حمراء", "🔴🔵", "e\u0301", "\u202eabc", "a\nb", "\x00", "\udcff"]
)
def test_text_that_the_font_lacks_is_drawn_all_the_same(text: str) -> None:
    cell = GridCell(picture=None, note=text, reason=text)

    sheet = grid([text], [GridRow(label=text, cells=(cell,))], side=64, label_width=None)

    assert np.asarray(sheet).min() < 255
    assert wrapped(text, size=16, width=200, lines=1).isprintable()
