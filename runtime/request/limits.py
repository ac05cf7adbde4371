"""Checks that engines were built for the requested sizes, before any of them runs."""

from __future__ import annotations

from collections.abc import Sequence

from latentlink.errors import UsageError
from latentlink.options import MAX_SIDE
from latentlink.runtime.linking import Engine


def check_limits(engines: Sequence[Engine], *, width: int, height: int, batch: int | None, downscale: int) -> None:
    """Refuse a size that an engine was not built for.

    Args:
        engines: All engines that will run on the whole picture.
        width: Picture width in pixels.
        height: Picture height in pixels.
        batch: Pictures in the denoiser's batch; None if it is not known yet.
        downscale: Pixels per latent element.

    Raises:
        UsageError: A size is outside an engine's limits.
    """
    requested = {
        "W": (width, 1, f"width {width}"),
        "H": (height, 1, f"height {height}"),
        "w": (width // downscale, downscale, f"width {width}"),
        "h": (height // downscale, downscale, f"height {height}"),
    }
    if batch is not None:
        requested["B"] = (batch, 1, f"{batch} pictures a batch")
    for engine in engines:
        for dim, (least, _, most) in engine.limits.items():
            if dim not in requested:
                continue
            size, unit, words = requested[dim]
            if not least <= size <= most:
                fits = f"{least * unit}" if least == most else f"{least * unit} to {most * unit}"
                raise UsageError(
                    f"{words[0].upper()}{words[1:]} is not what {engine.title} was built for: {fits}.",
                    remedy="Use a size it was built for, or build the bundle for this one: latentlink build --help.",
                )


def nearest(
    engines: Sequence[Engine], dims: tuple[str, str], side: int, *, multiple: int, downscale: int
) -> int | None:
    """The side nearest to the requested one that all engines were built for; of two equally near ones, the larger.

    Args:
        engines: All engines that will run.
        dims: Names of the dimension in pixels and in latent elements: `("W", "w")` or `("H", "h")`.
        side: Requested side in pixels.
        multiple: Number that sides are multiples of.
        downscale: Pixels per latent element.

    Returns:
        The side in pixels; None if no side fits all engines.
    """
    least, most = 1, MAX_SIDE
    for engine in engines:
        for dim, unit in zip(dims, (1, downscale), strict=True):
            if dim in engine.limits:
                low, _, high = engine.limits[dim]
                least, most = max(least, low * unit), min(most, high * unit)
    least, most = -(-least // multiple), most // multiple
    if least > most:
        return None
    return min(max((2 * side + multiple) // (2 * multiple), least), most) * multiple
