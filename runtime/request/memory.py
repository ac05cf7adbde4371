"""Refuse a run that this machine has no memory for, before anything is taken."""

from __future__ import annotations

from latentlink.amounts import bytes_in_words
from latentlink.engine.targets.memory import free_memory
from latentlink.errors import UsageError

LEAST_BYTES = 256
"""Bytes per pixel that drawing takes on the CPU at least, with any model: the denoiser of the demo models, which has a
thousandth of the weights of a usual one, takes 440."""


def check_memory(width: int, height: int, batch: int) -> None:
    """Refuse pictures that no model can draw with the memory that is free.

    A run that passes may still need more than there is: what an engine takes is not known before it has run.

    Args:
        width: Picture width in pixels.
        height: Picture height in pixels.
        batch: Number of pictures.

    Raises:
        UsageError: They need more than is free.
    """
    needed, free = LEAST_BYTES * width * height * batch, free_memory()
    if free is not None and needed > free:
        many = f"{batch} pictures of {width}x{height} need" if batch > 1 else f"A picture of {width}x{height} needs"
        raise UsageError(
            f"{many} at least {bytes_in_words(needed)} of memory; {bytes_in_words(free)} are free.",
            remedy="Draw smaller or fewer pictures at once.",
        )
