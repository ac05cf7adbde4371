"""Text in a picture: lines that fit a width, in the font that comes with Pillow."""

from __future__ import annotations

from functools import cache
from typing import cast

from PIL import ImageFont

from latentlink.terminal.printing import shown

LEADING = 4
"""Pixels between two lines of text, which hold the lower parts of letters."""

ELLIPSIS = "…"


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font in a size in pixels. It has Latin letters, and draws all others as boxes."""
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))


def line_height(size: int) -> int:
    """Pixels from one line of text to the next."""
    return font(size).getmetrics()[0] + LEADING


def line_width(text: str, size: int) -> int:
    """Pixels that a text takes in one line."""
    return round(font(size).getlength(shown(text))) + 1


def wrapped(text: str, *, size: int, width: int, lines: int) -> str:
    """The text in lines that fit, broken between words where that is possible, and cut with an ellipsis.

    Args:
        text: Any text; characters that move the cursor or change the reading order are written as escapes.
        size: Size of the font in pixels.
        width: Width of a line in pixels.
        lines: Most lines.
    """
    words, made = shown(text).split(), [""]
    while words:
        word = words.pop(0)
        longer = f"{made[-1]} {word}".lstrip()
        if line_width(longer, size) <= width:
            made[-1] = longer
        elif made[-1]:
            words.insert(0, word)
            if len(made) == lines:
                return "\n".join([*made[:-1], _cut(longer, size, width)])
            made.append("")
        else:  # a word that is longer than a line
            fits = _fitting(word, size, width)
            made[-1] = word[:fits]
            words.insert(0, word[fits:])
    return "\n".join(made)


def _cut(text: str, size: int, width: int) -> str:
    return text[: _fitting(text, size, width - line_width(ELLIPSIS, size))].rstrip() + ELLIPSIS


def _fitting(text: str, size: int, width: int) -> int:
    """How many characters of a text fit a line, at least one."""
    count = 1
    while count < len(text) and line_width(text[: count + 1], size) <= width:
        count += 1
    return count
