"""What a sheet of settings compares: each axis is one setting with several values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

from latentlink.bench.sheets.grid import GAP, HEIGHT_BESIDE_CELLS
from latentlink.errors import UsageError

MOST_AXES, MOST_CELLS = 3, 1024

MOST_WIDTH, MOST_PIXELS = 16_000, 1 << 26
"""Largest side of a sheet in pixels, which WebP and JPEG files can have, and the most pixels of all its pictures."""

LABELS = 256
"""Pixels of a sheet's width that labels may take."""

LEAST_SIDE = 32
"""Least size of a picture in a sheet, in pixels, and thereby the most columns and rows."""

PLAIN = ("bundle", "prompt", "sampler")
"""Settings whose values need no name beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One setting with its values, in the order of the sheet.

    Args:
        name: `bundle`, `prompt`, or the name of an option of `generate`.
        values: Its distinct values.
    """

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The axes of a sheet, and what all its pictures share. Made by `of`.

    Args:
        fixed: Settings with one value.
        varied: At most three axes: of three, the first is drawn as blocks, then come rows, and columns last.
    """

    fixed: Mapping[str, Any]
    varied: tuple[Axis, ...]

    @classmethod
    def of(cls, settings: Mapping[str, Sequence[Any]]) -> Axes:
        """Find the axes.

        Args:
            settings: The values of each setting, at least one. Those with several are the axes, in this order.

        Raises:
            UsageError: There are more than three axes, or more pictures, columns or rows than a sheet can show.
        """
        distinct = {name: tuple(dict.fromkeys(values)) for name, values in settings.items()}
        varied = [Axis(name=name, values=values) for name, values in distinct.items() if len(values) > 1]
        if len(varied) > MOST_AXES:
            names = ", ".join(axis.name for axis in varied)
            raise UsageError(
                f"{len(varied)} settings have several values ({names}); expected at most {MOST_AXES}: blocks, rows and "
                "columns.",
                remedy="Draw several sheets.",
            )
        fixed = {name: values[0] for name, values in distinct.items() if len(values) == 1}
        axes = cls(fixed=fixed, varied=tuple(varied))
        if axes.count > MOST_CELLS:
            raise UsageError(f"The sheet would have {axes.count} pictures; expected at most {MOST_CELLS}.")
        if axes.most_side < LEAST_SIDE:
            blocks, rows, columns = map(len, axes.parts)
            raise UsageError(
                f"The sheet would have {columns}x{blocks * rows} pictures, which do not fit {MOST_WIDTH} pixels.",
                remedy="Use fewer values, or another order of the options, which is that of blocks, rows and columns.",
            )
        return axes

    @property
    def parts(self) -> tuple[tuple[Mapping[str, Any], ...], ...]:
        """What the blocks, rows and columns set; an axis that is not there has one part, which sets nothing."""
        nothing: tuple[Mapping[str, Any], ...] = ({},)
        own = [tuple({axis.name: value} for value in axis.values) for axis in self.varied]
        return (*[nothing] * (MOST_AXES - len(own)), *own)

    @property
    def count(self) -> int:
        """Number of pictures."""
        blocks, rows, columns = map(len, self.parts)
        return blocks * rows * columns

    @property
    def cells(self) -> list[dict[str, Any]]:
        """All settings of each picture: block by block, row by row."""
        return [{**self.fixed, **self.at(number)} for number in range(self.count)]

    def at(self, number: int) -> dict[str, Any]:
        """The settings on the axes of the picture with this number."""
        found: dict[str, Any] = {}
        for part in reversed(self.parts):
            number, place = divmod(number, len(part))
            found = {**part[place], **found}
        return found

    @property
    def most_side(self) -> int:
        """Largest size that the pictures can have in the sheet, in pixels: that of their longer side."""
        blocks, rows, columns = map(len, self.parts)
        across = (MOST_WIDTH - LABELS) // columns - GAP
        down = (MOST_WIDTH // blocks - HEIGHT_BESIDE_CELLS) // rows - GAP
        return min(across, down, isqrt(MOST_PIXELS // self.count))


def titled(settings: Mapping[str, Any]) -> str:
    """Settings in words, as `dpmpp_2m, steps 20`."""
    return ", ".join(_title(name, value) for name, value in settings.items())


def _title(name: str, value: Any) -> str:
    listed = value if isinstance(value, tuple) else (value,)
    shown = ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in listed)
    return shown if name in PLAIN else f"{name.replace('_', ' ')} {shown}"
