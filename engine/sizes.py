"""The sizes that an engine is built for: every free dimension of a component, from the picture sizes and the batch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from latentlink.checks import shown, whole
from latentlink.engine.bundle import ComponentEntry, Manifest, Sampling, SizeRange
from latentlink.engine.bundle.sampling import MAX_PIXELS
from latentlink.errors import UsageError
from latentlink.options import MAX_BATCH, MAX_SIDE

BATCH: SizeRange = (1, 1, 4)
"""Default range of the batch, for targets that need limits."""

PROMPTS: SizeRange = (1, 2, 8)
"""Default range of the prompt chunks that a text encoder reads at once; more are read in several runs."""

CHUNKS = 4
"""Default for the most chunks of a long prompt that a denoiser reads."""

TOKENS = 77
"""Default for the tokens of a prompt if the export has no text encoder that specifies them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSizes:
    """Picture sizes and batch that engines are built for; None leaves a dimension free.

    Args:
        width: Picture width in pixels.
        height: Picture height in pixels.
        batch: Pictures in a batch.

    Raises:
        UsageError: One is not three whole numbers in order, or too large.
    """

    width: SizeRange | None = None
    height: SizeRange | None = None
    batch: SizeRange | None = None

    def __post_init__(self) -> None:
        for name, most in (("width", MAX_SIDE), ("height", MAX_SIDE), ("batch", MAX_BATCH)):
            _check_range(name, getattr(self, name), most)


def _check_range(name: str, value: object, most: int) -> None:
    """Refuse what is neither None nor three whole numbers in order."""
    if value is None:
        return
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise UsageError(f"{name} is {shown(value)}; expected (smallest, best, largest), or None.")
    low, best, high = (whole(f"A number of {name}", one, 1, most) for one in value)
    if not low <= best <= high:
        raise UsageError(f"{name} is {shown(value)}; expected smallest <= best <= largest.")


def parse_range(text: str) -> SizeRange:
    """Parse a fixed size, `512`, or a range, `256:512:1024`.

    Raises:
        UsageError: It is neither, or not in order.
    """
    parts = text.split(":")
    if len(parts) in (1, 3) and all(re.fullmatch(r"[0-9]{1,9}", part) and int(part) for part in parts):
        low, best, high = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
        if low <= best <= high:
            return low, best, high
    raise UsageError(
        f"{text!r} is not a size; expected a number (512), or the smallest, best and largest in this order "
        "(256:512:1024)."
    )


def drawable(sampling: Sampling, sizes: PictureSizes) -> Sampling:
    """The defaults of a bundle that is built for these sizes: a side outside of its range becomes the range's best.

    Raises:
        UsageError: That is larger than a bundle's default size may be, or no multiple of what the model needs.
    """
    width, height = _within(sampling.width, sizes.width), _within(sampling.height, sizes.height)
    multiple = sampling.size_multiple
    for name, side in (("width", width), ("height", height)):
        if side % multiple:
            low = side // multiple * multiple
            raise UsageError(
                f"{name} is {side}; expected a multiple of {multiple}, which this model needs.",
                remedy=f"Use {low} or {low + multiple}." if low else f"Use {multiple}.",
            )
    if width * height > MAX_PIXELS:
        raise UsageError(
            f"The bundle would draw {width}x{height} where no size is requested; expected at most {MAX_PIXELS} pixels, "
            "such as 2048x2048.",
            remedy=f"Build it for a range that includes {sampling.width}x{sampling.height}.",
        )
    return replace(sampling, width=width, height=height)


def _within(side: int, span: SizeRange | None) -> int:
    return side if span is None or span[0] <= side <= span[2] else span[1]


def limits_of(manifest: Manifest, name: str, sizes: PictureSizes, *, every: bool) -> dict[str, SizeRange]:
    """Size ranges of a component's free dimensions.

    The batch limits the denoiser only: text encoders and the VAE run in as many batches as they need.

    Args:
        manifest: Manifest of the export.
        name: The component.
        sizes: What the user chose.
        every: Whether the target needs a range for every dimension: the defaults are then the model's own picture size
            and the constants above.

    Raises:
        UsageError: A side is not a multiple of what the model takes.
    """
    entry = manifest.components[name]
    ports = (*entry.inputs, *entry.outputs)
    free = {dim for port in ports for dim in port.shape if isinstance(dim, str)}
    denoises = any(port.kind == "coefficients" for port in entry.inputs)
    if every:
        width, height = manifest.sampling.width, manifest.sampling.height
        sizes = replace(
            sizes,
            width=sizes.width or (width, width, width),
            height=sizes.height or (height, height, height),
            batch=sizes.batch or BATCH,
        )
    limits: dict[str, SizeRange] = _others(manifest, entry) if every else {}
    downscale = next((port.size("f") for port in ports if port.kind == "latent"), 1)
    multiple = manifest.sampling.size_multiple
    for (pixels, latent), side in ((("W", "w"), sizes.width), (("H", "h"), sizes.height)):
        if side is None:
            continue
        if any(size % multiple for size in side):
            raise UsageError(
                f"{':'.join(map(str, side))} is not a size for this model: expected multiples of {multiple}."
            )
        limits[pixels] = side
        low, best, high = (size // downscale for size in side)
        limits[latent] = (low, best, high)
    if sizes.batch is not None and denoises:
        low, best, high = sizes.batch
        limits["B"] = sizes.batch
        limits["N"] = (low, 2 * best, 2 * high)
    return {dim: side for dim, side in limits.items() if dim in free}


def _others(manifest: Manifest, entry: ComponentEntry) -> dict[str, SizeRange]:
    """Dimensions that do not depend on the picture: the batch of the VAE, rows and tokens of text."""
    limits: dict[str, SizeRange] = {"B": (1, 1, 1), "N": PROMPTS}
    for port in entry.inputs:
        tokens = port.shape[1] if port.kind == "text" and len(port.shape) == 3 else None
        if isinstance(tokens, str):
            limits[tokens] = _tokens(manifest, port.symbol)
    return limits


def _tokens(manifest: Manifest, symbol: str) -> SizeRange:
    """Tokens of a text port, as the encoder that writes it reads them."""
    for entry in manifest.components.values():
        if entry.tokenizer is not None and any(port.symbol == symbol for port in entry.outputs):
            length = entry.tokenizer.max_length
            return (length, length, length * (CHUNKS if entry.tokenizer.overflow == "chunk" else 1))
    return (TOKENS, TOKENS, TOKENS * CHUNKS)
