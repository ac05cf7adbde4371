"""A large picture in several passes of a smaller canvas, each a sample of the whole picture, blended where they meet.

A VAE normalises its activations over the whole picture and attends over all of it, so that a tile that is decoded alone
has other tones than the same place of a whole decode: most of all a flat tile, whose faint texture is stretched to full
contrast. A canvas here is therefore not a crop but a mosaic of tiles, taken at equal distances from all over the
picture, whose statistics are nearly the picture's. The edge of a tile, which its neighbours on the canvas affect, is
discarded, and tiles that still differ in tone from those beside them are shifted so that they agree.

Pure numpy. Arrays are `[H, W, ...]`; sides are in grid cells, which are latent elements, and an array may have several
values per cell (a picture has as many as the downscale).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError

Array: TypeAlias = NDArray[Any]
CanvasLimits: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

TILE = 16
"""Least side of a tile if a canvas holds several: smaller ones are mostly edge."""

TILES = 4
"""Most tiles along a side of a canvas: with 16 its statistics are near enough, and larger tiles have less edge."""

OVERLAP = 6
"""Least overlap of neighbouring tiles, in cells."""

EDGE = 2
"""Cells at a tile's inner edge that are discarded, as it lay beside a foreign tile; the rest of the overlap blends."""

TONE = 0.2
"""Weight of a tile's offset beside the disagreement of neighbours, so that small offsets do not add up over tiles."""

SMALLEST = 8
"""Least side of a canvas: with less, every cell would be near an edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How one side of the picture is cut.

    Args:
        length: Length of the side in cells.
        tile: Side of a tile in cells.
        starts: First cell of every tile, ascending; the first is 0 and the last tile ends at `length`.
        together: Number of tiles along this side of a canvas.
    """

    length: int
    tile: int
    starts: tuple[int, ...]
    together: int

    def __post_init__(self) -> None:
        ends = [start + self.tile for start in self.starts]
        whole = self.starts[0] == 0 and ends[-1] == self.length
        if not whole or any(after > end for after, end in zip(self.starts[1:], ends[:-1], strict=True)):
            raise UsageError(f"Tiles of {self.tile} at {self.starts} do not cover a side of {self.length}.")
        if len(self.starts) % self.together:
            raise UsageError(f"{len(self.starts)} tiles are not canvases of {self.together}.")

    @property
    def canvas(self) -> int:
        """Side of a canvas in cells."""
        return self.tile * self.together

    @property
    def passes(self) -> int:
        """Number of canvases along this side."""
        return len(self.starts) // self.together

    def members(self, number: int) -> range:
        """Tiles of canvas `number`, at equal distances over the whole side."""
        return range(number, len(self.starts), self.passes)

    def weights(self, scale: int) -> NDArray[np.float32]:
        """Blend weights of each tile, float32 `[tiles, tile * scale]`, 0 to 1; they sum to 1 at every place.

        Args:
            scale: Values per cell.
        """
        at = (np.arange(self.length * scale) + 0.5) / scale
        rows = np.zeros((len(self.starts), len(at)))
        for number, start in enumerate(self.starts):
            row = ((at > start) & (at < start + self.tile)).astype(np.float64)
            if number:
                row = np.minimum(row, _ramp(at, start, self.starts[number - 1] + self.tile))
            if number + 1 < len(self.starts):
                row = np.minimum(row, 1 - _ramp(at, self.starts[number + 1], start + self.tile))
            rows[number] = row
        rows /= rows.sum(axis=0)  # three tiles may share a place
        parts = [row[s * scale : (s + self.tile) * scale] for row, s in zip(rows, self.starts, strict=True)]
        return np.stack(parts).astype(np.float32)


def _ramp(at: NDArray[np.float64], begin: int, end: int) -> NDArray[np.float64]:
    """A ramp from 0 to 1 across an overlap, without `EDGE` cells at both sides if there is room."""
    edge = min(EDGE, (end - begin - 1) / 2)
    low, high = begin + edge, end - edge
    return np.clip((at - low) / (high - low), 0, 1) if high > low else (at > low).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """How a picture is cut.

    Args:
        rows: How its height is cut.
        columns: How its width is cut.
    """

    rows: Axis
    columns: Axis

    @property
    def passes(self) -> int:
        """Number of canvases to run; 1 is the whole picture at once."""
        return self.rows.passes * self.columns.passes


def cut(length: int, canvas: int) -> Axis:
    """Cut a side for a canvas.

    Args:
        length: Length of the side in cells.
        canvas: Side of the canvas in cells, at least `SMALLEST`.

    Raises:
        UsageError: The canvas is too small to have tiles that overlap.
    """
    if length <= canvas:
        return Axis(length=length, tile=length, starts=(0,), together=1)
    if canvas < SMALLEST:
        raise UsageError(f"A canvas of {canvas} cells cannot hold a tile; expected at least {SMALLEST}.")
    together = tiles_along(canvas)
    tile = canvas // together
    overlap = min(OVERLAP, tile // 2)
    count = -(-(length - overlap) // (tile - overlap))
    count = -(-count // together) * together
    starts = tuple(number * (length - tile) // (count - 1) for number in range(count))
    return Axis(length=length, tile=tile, starts=starts, together=together)


def tiles_along(canvas: int) -> int:
    """Number of tiles along a canvas side of this many cells: the largest that divides it, up to `TILES`."""
    return next(count for count in range(_most_tiles(canvas), 0, -1) if canvas % count == 0)


def _most_tiles(canvas: int) -> int:
    return min(max(canvas // TILE, 1), TILES)


def fit(height: int, width: int, *, cells: int, limits: CanvasLimits) -> Mosaic | None:
    """Cut a picture into the fewest passes that fit.

    Args:
        height: Picture height in cells.
        width: Picture width in cells.
        cells: Largest number of cells of a canvas.
        limits: (least, most) height and width of a canvas.

    Returns:
        None if no canvas is small enough for `cells` and large enough for a tile and the limits.
    """
    (least_height, most_height), (least_width, most_width) = limits
    down, across = min(height, most_height), min(width, most_width)
    if down * across > cells:
        # as square as the picture allows: a square has the least edge
        down = min(down, max(math.isqrt(cells), least_height))
        across = min(across, max(cells // down, least_width))
        down = min(height, most_height, max(cells // across, least_height))
    if down < height:
        down = max(down - down % _most_tiles(down), least_height)
    if across < width:
        across = max(across - across % _most_tiles(across), least_width)
    small = (down < height and down < SMALLEST) or (across < width and across < SMALLEST)
    if small or down * across > cells or down < least_height or across < least_width:
        return None
    return Mosaic(rows=cut(height, down), columns=cut(width, across))


def in_passes(run: Callable[[list[Array]], Array], inputs: Sequence[Array], mosaic: Mosaic) -> NDArray[np.float32]:
    """Run a function of pictures canvas by canvas.

    Args:
        run: Maps inputs of a canvas's size to an output of its size, `[h, w, ...]`, with any number of values per cell.
        inputs: `[H, W, ...]`, the picture's cells times a number of values per cell that may differ between inputs.
        mosaic: How the picture is cut.

    Returns:
        float32 `[H, W, ...]`, the blended outputs. Beyond these, memory is needed for one canvas only.
    """
    rows, columns = mosaic.rows, mosaic.columns
    out: NDArray[np.float32] | None = None
    means: dict[tuple[int, int], NDArray[np.float64]] = {}
    for number in range(mosaic.passes):
        down, across = rows.members(number // columns.passes), columns.members(number % columns.passes)
        made = run([_gather(array, mosaic, down, across) for array in inputs])
        scale = made.shape[0] // rows.canvas
        if out is None:
            vertical, horizontal = rows.weights(scale), columns.weights(scale)
            shape = (rows.length * scale, columns.length * scale, *made.shape[2:])
            out = np.zeros(shape, np.float32)
        height, width = rows.tile * scale, columns.tile * scale
        for i, row in enumerate(down):
            for j, column in enumerate(across):
                tile = made[i * height : (i + 1) * height, j * width : (j + 1) * width]
                means[row, column] = _by_cell(tile, scale)
                weight = vertical[row][:, None] * horizontal[column]
                y, x = rows.starts[row] * scale, columns.starts[column] * scale
                out[y : y + height, x : x + width] += tile * weight.reshape(height, width, *[1] * (made.ndim - 2))
    if out is None:
        raise UsageError("A picture without cells cannot be cut.")
    for (row, column), tone in _tones(means, mosaic).items():
        y, x = rows.starts[row] * scale, columns.starts[column] * scale
        weight = vertical[row][:, None] * horizontal[column]
        out[y : y + height, x : x + width] += tone * weight.reshape(height, width, *[1] * (out.ndim - 2))
    return out


def _by_cell(tile: Array, scale: int) -> NDArray[np.float64]:
    """Mean of each cell of a tile, `[h, w, C]`."""
    height, width = (side // scale for side in tile.shape[:2])
    cells = tile.reshape(height, scale, width, scale, -1)
    means: NDArray[np.float64] = cells.mean(axis=(1, 3), dtype=np.float64)
    return means


def _tones(means: Mapping[tuple[int, int], NDArray[np.float64]], mosaic: Mosaic) -> dict[tuple[int, int], Array]:
    """The offset of each tile that makes neighbours agree where they overlap, by least squares.

    Tiles of different canvases differ a little in tone, which would show as an edge in a flat area.
    """
    tiles = sorted(means)
    places = {tile: number for number, tile in enumerate(tiles)}
    left, right = [], []
    for tile in tiles:
        for after in ((tile[0] + 1, tile[1]), (tile[0], tile[1] + 1)):
            if after in means:
                y, other_y = _overlap(mosaic.rows, tile[0], after[0])
                x, other_x = _overlap(mosaic.columns, tile[1], after[1])
                equation = np.zeros(len(tiles))
                equation[places[tile]], equation[places[after]] = 1, -1
                left.append(equation)
                right.append((means[after][other_y, other_x] - means[tile][y, x]).mean(axis=(0, 1)))
    if not left:
        return {}
    left += [*(TONE * np.eye(len(tiles)))]
    right += [np.zeros_like(right[0])] * len(tiles)
    solved = np.linalg.lstsq(np.stack(left), np.stack(right), rcond=None)[0]
    return {tile: solved[number] for tile, number in places.items()}


def _overlap(axis: Axis, number: int, after: int) -> tuple[slice, slice]:
    """The overlap of two tiles along one side, in cells of the first and of the second, without their edges."""
    gap = axis.starts[after] - axis.starts[number]
    edge = min(EDGE, (axis.tile - gap - 1) // 2) if gap else 0
    return slice(gap + edge, axis.tile - edge), slice(edge, axis.tile - gap - edge)


def _gather(array: Array, mosaic: Mosaic, down: range, across: range) -> Array:
    """Gather the canvas of these rows and columns of tiles."""
    rows, columns = mosaic.rows, mosaic.columns
    scale = array.shape[0] // rows.length
    y = np.concatenate([np.arange(rows.tile * scale) + rows.starts[row] * scale for row in down])
    x = np.concatenate([np.arange(columns.tile * scale) + columns.starts[column] * scale for column in across])
    canvas: Array = array[y[:, None], x]
    return canvas
