"""A labelled grid of small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentlink.bench.sheets.labels import font, line_height, line_width, wrapped

INK, PAPER, FAINT, BLANK, FRAME = (30, 30, 36), (255, 255, 255), (110, 110, 120), (246, 246, 246), (205, 205, 210)
GAP = 12
TITLE, NOTE, HEADING = 16, 13, 18
"""Sizes of text in pixels: titles of columns and rows; notes; headings of whole grids."""

TITLE_LINES, HEADING_LINES = 6, 3
"""Most lines of a column's title and of a heading."""

HEIGHT_BESIDE_CELLS = 288
"""Pixels that a grid with its heading may be higher than its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """One cell of a grid.

    Args:
        picture: uint8 sRGB `[H, W, 3]`; None leaves the cell empty.
        note: Line below the picture; may be empty.
        reason: Text inside an empty cell.
    """

    picture: NDArray[np.uint8] | None
    note: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One row of a grid.

    Args:
        label: Text on the left.
        cells: One cell for each column.
    """

    label: str
    cells: tuple[GridCell, ...]


def grid(
    columns: Sequence[str],
    rows: Sequence[GridRow],
    *,
    side: int | tuple[int, int] = 128,
    label_width: int | None = 230,
) -> Image.Image:
    """Arrange pictures below column titles and beside row labels.

    Args:
        columns: Title of each column.
        rows: Rows with one cell for each column.
        side: Side of a cell in pixels, or its width and height; a picture is enlarged without smoothing, or reduced,
            until it fits, and keeps its proportions.
        label_width: Width of the label column in pixels; None is what the labels need, up to 230.

    Raises:
        ValueError: A row has more or fewer cells than there are columns.
    """
    for row in rows:
        if len(row.cells) != len(columns):
            raise ValueError(f"Row {row.label!r} has {len(row.cells)} cells; expected {len(columns)}.")
    width, height = (side, side) if isinstance(side, int) else side
    if label_width is None:
        label_width = min(max(line_width(row.label, TITLE) for row in rows) + GAP, 230)
    note = 20 if any(cell.note for row in rows for cell in row.cells) else 0
    titles = [wrapped(text, size=TITLE, width=width, lines=TITLE_LINES) for text in columns]
    top = GAP + line_height(TITLE) * max(text.count("\n") + 1 for text in titles) + 4
    down, across = height + note + GAP, width + GAP
    sheet = Image.new("RGB", (label_width + GAP + len(columns) * across, top + len(rows) * down), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, text in enumerate(titles):
        middle = label_width + GAP + number * across + width / 2
        pen.multiline_text((middle, GAP), text, INK, font(TITLE), anchor="ma", align="center")
    for row_number, row in enumerate(rows):
        y = top + row_number * down
        lines = max(height // line_height(TITLE), 1)
        label = wrapped(row.label, size=TITLE, width=label_width - GAP, lines=lines)
        pen.multiline_text((GAP, y + height / 2), label, INK, font(TITLE), anchor="lm")
        for column, cell in enumerate(row.cells):
            x = label_width + GAP + column * across
            _draw(sheet, cell, (x, y, x + width, y + height))
            pen.text((x + width / 2, y + height + 4), cell.note, FAINT, font(NOTE), anchor="ma")
    return sheet


def stacked(heading: str, blocks: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Put grids below each other, under a heading.

    Args:
        heading: Text above all; may be empty.
        blocks: Grids, each with a heading of its own, which may be empty.
    """
    width = max(block.width for _, block in blocks)
    parts: list[Image.Image] = [_heading(heading, width, FAINT, NOTE)] if heading else []
    for text, block in blocks:
        parts += [_heading(text, width, INK, HEADING), block] if text else [block]
    sheet = Image.new("RGB", (width, sum(part.height for part in parts)), PAPER)
    y = 0
    for part in parts:
        sheet.paste(part, (0, y))
        y += part.height
    return sheet


def _heading(text: str, width: int, ink: tuple[int, int, int], size: int) -> Image.Image:
    lines = wrapped(text, size=size, width=width - 2 * GAP, lines=HEADING_LINES)
    part = Image.new("RGB", (width, GAP + line_height(size) * (lines.count("\n") + 1)), PAPER)
    ImageDraw.Draw(part).multiline_text((GAP, GAP), lines, ink, font(size))
    return part


def _draw(sheet: Image.Image, cell: GridCell, box: tuple[int, int, int, int]) -> None:
    """Draw a picture into the middle of a box, or the reason why there is none, with a frame."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    pen = ImageDraw.Draw(sheet)
    if cell.picture is None:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=BLANK)
        lines = max((height - 8) // line_height(NOTE), 1)
        reason = wrapped(cell.reason, size=NOTE, width=width - 8, lines=lines)
        pen.multiline_text((left + 4, top + 4), reason, FAINT, font(NOTE))
    else:
        picture = fitted(Image.fromarray(cell.picture), width, height)
        left, top = left + (width - picture.width) // 2, top + (height - picture.height) // 2
        right, bottom = left + picture.width, top + picture.height
        sheet.paste(picture, (left, top))
    pen.rectangle((left - 1, top - 1, right, bottom), outline=FRAME)


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The largest picture of the same proportions that fits: enlarged without smoothing, or reduced with a filter."""
    factor = min(width / picture.width, height / picture.height)
    size = max(round(picture.width * factor), 1), max(round(picture.height * factor), 1)
    if size == picture.size:
        return picture
    return picture.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)
