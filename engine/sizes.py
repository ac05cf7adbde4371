"""Sizes that an engine is built for: every free dimension of a component from what the user says of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from latentlink.engine.builders import Range
from latentlink.engine.bundle import ComponentEntry, Manifest
from latentlink.errors import UsageError

BATCH: Range = (1, 1, 4)
"""Pictures a batch where a target needs limits and nothing is said."""

PROMPTS: Range = (1, 2, 8)
"""Pieces of prompts that a text encoder reads at once, likewise; more are read one lot after the other."""

PIECES = 4
"""Pieces of a long prompt that a denoiser reads at most, likewise."""

TOKENS = 77
"""Tokens of a prompt where the export has no text encoder that says it, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Sizes that the engines are built for; None leaves a dimension free.

    Args:
        width: Picture width in pixels.
        height: Picture height in pixels.
        batch: Pictures a batch.
    """

    width: Range | None = None
    height: Range | None = None
    batch: Range | None = None


def parse_range(text: str) -> Range:
    """`512` or `256:512:1024`.

    Raises:
        UsageError: It is neither, or not in order.
    """
    parts = text.split(":")
    if len(parts) in (1, 3) and all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        low, best, high = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
        if low <= best <= high:
            return low, best, high
    raise UsageError(f"{text!r} is not a size: expected a number (512) or smallest:best:largest (256:512:1024).")


def limits_of(manifest: Manifest, name: str, shapes: Shapes, *, every: bool) -> dict[str, Range]:
    """Sizes of a component's free dimensions.

    Batch limits the denoiser alone: prompts are encoded and pictures decoded as many at a time as it suits.

    Args:
        manifest: Of the export.
        name: The component.
        shapes: What the user said.
        every: Whether the target needs limits of every dimension that is read: the model's own picture size and the
            constants above are taken where nothing was said.

    Raises:
        UsageError: A side is not a multiple of what the model takes.
    """
    entry = manifest.components[name]
    ports = (*entry.inputs, *entry.outputs)
    free = {dim for port in ports for dim in port.shape if isinstance(dim, str)}
    denoises = any(port.kind == "coefficients" for port in entry.inputs)
    if every:
        width, height = manifest.sampling.width, manifest.sampling.height
        shapes = replace(
            shapes,
            width=shapes.width or (width, width, width),
            height=shapes.height or (height, height, height),
            batch=shapes.batch or BATCH,
        )
    limits: dict[str, Range] = _others(manifest, entry) if every else {}
    downscale = next((port.size("f") for port in ports if port.kind == "latent"), 1)
    multiple = manifest.sampling.size_multiple
    for (pixels, latent), sizes in ((("W", "w"), shapes.width), (("H", "h"), shapes.height)):
        if sizes is None:
            continue
        if any(size % multiple for size in sizes):
            raise UsageError(
                f"{':'.join(map(str, sizes))} is not a size for this model: expected multiples of {multiple}."
            )
        limits[pixels] = sizes
        low, best, high = (size // downscale for size in sizes)
        limits[latent] = (low, best, high)
    if shapes.batch is not None and denoises:
        low, best, high = shapes.batch
        limits["B"] = shapes.batch
        limits["N"] = (low, 2 * best, 2 * high)
    return {dim: sizes for dim, sizes in limits.items() if dim in free}


def _others(manifest: Manifest, entry: ComponentEntry) -> dict[str, Range]:
    """Dimensions that do not follow from the picture: pictures of the VAE, rows and tokens of text."""
    limits: dict[str, Range] = {"B": (1, 1, 1), "N": PROMPTS}
    for port in entry.inputs:
        tokens = port.shape[1] if port.kind == "text" and len(port.shape) == 3 else None
        if isinstance(tokens, str):
            limits[tokens] = _tokens(manifest, port.symbol)
    return limits


def _tokens(manifest: Manifest, symbol: str) -> Range:
    """Tokens of a text, as the encoder that writes it reads them."""
    for entry in manifest.components.values():
        if entry.tokenizer is not None and any(port.symbol == symbol for port in entry.outputs):
            length = entry.tokenizer.max_length
            return (length, length, length * (PIECES if entry.tokenizer.overflow == "chunk" else 1))
    return (TOKENS, TOKENS, TOKENS * PIECES)
