"""What a user may ask of an export, whatever the family."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Resolved options of an export.

    Args:
        dtype: What the components compute in: `float32`, `float16` or `bfloat16`.
        io_dtype: What crosses between engines: `float32`, or `float16` to save memory.
        space: Latent space as the user named it, or None to decide from evidence.
        clip_skip: Layers of the CLIP text encoders that are left out at the end, beyond what the family leaves out.
        without: Parts to leave out, such as a large text encoder that the family can do without.
    """

    dtype: str = "float32"
    io_dtype: str = "float32"
    space: str | None = None
    clip_skip: int = 0
    without: tuple[str, ...] = ()
