"""A labelled grid of small pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, PAPER, FAINT = (30, 30, 36), (255, 255, 255), (110, 110, 120)
GAP = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """One cell of a grid.

    Args:
        picture: uint8 sRGB `[H, W, 3]`.
        note: Line below the picture; may be empty.
    """

    picture: NDArray[np.uint8]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One row of a grid.

    Args:
        label: Text on the left.
        cells: One cell for each column.
    """

    label: str
    cells: tuple[GridCell, ...]


def grid(columns: Sequence[str], rows: Sequence[GridRow], *, side: int = 128, label_width: int = 230) -> Image.Image:
    """Arrange pictures below column titles and beside row labels.

    Args:
        columns: Title of each column.
        rows: Rows with one cell for each column.
        side: Side of a picture in the grid, in pixels; pictures are enlarged without smoothing.
        label_width: Width of the label column in pixels.

    Raises:
        ValueError: A row has more or fewer cells than there are columns.
    """
    for row in rows:
        if len(row.cells) != len(columns):
            raise ValueError(f"Row {row.label!r} has {len(row.cells)} cells; expected {len(columns)}.")
    note = 20 if any(cell.note for row in rows for cell in row.cells) else 0
    title = 20 * max(len(_wrap(text, side)) for text in columns) + GAP
    step = side + note + GAP
    sheet = Image.new("RGB", (label_width + len(columns) * (side + GAP) + GAP, title + GAP + len(rows) * step), PAPER)
    pen = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(16), ImageFont.load_default(13)
    for number, text in enumerate(columns):
        pen.multiline_text(
            (label_width + GAP + number * (side + GAP) + side / 2, GAP),
            "\n".join(_wrap(text, side)),
            INK,
            font,
            anchor="ma",
            align="center",
        )
    for down, row in enumerate(rows):
        top = title + GAP + down * step
        pen.multiline_text((GAP, top + side / 2), textwrap.fill(row.label, label_width // 9), INK, font, anchor="lm")
        for across, cell in enumerate(row.cells):
            left = label_width + GAP + across * (side + GAP)
            shown = Image.fromarray(cell.picture).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(shown, (left, top))
            pen.rectangle((left - 1, top - 1, left + side, top + side), outline=(205, 205, 210))
            pen.text((left + side / 2, top + side + 4), cell.note, FAINT, small, anchor="ma")
    return sheet


def _wrap(text: str, side: int) -> list[str]:
    return textwrap.wrap(text, max(8, side // 8)) or [""]
