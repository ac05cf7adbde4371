"""Whether the parts of a checkpoint fit together, by their configs."""

from __future__ import annotations

from collections.abc import Sequence

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint


def check_width(checkpoint: Checkpoint, part: str, key: str, encoders: Sequence[str], width: str) -> None:
    """Refuse a denoiser that reads embeddings of another width than its text encoders write.

    Args:
        checkpoint: Checkpoint with all these parts.
        part: The denoiser.
        key: Key of its config: a width, or a list of equal widths.
        encoders: Text encoders whose embeddings it reads, joined along their width.
        width: Key of their configs.

    Raises:
        CheckpointError: The widths differ.
    """
    found, widths = checkpoint.settings(part).get(key), [checkpoint.settings(name).get(width) for name in encoders]
    total = sum(one for one in widths if type(one) is int)
    each = found if isinstance(found, list) else [found]
    if not all(one == total for one in each):
        written = " and ".join(f"{one!r} of {name}" for name, one in zip(encoders, widths, strict=True))
        raise misfit(part, key, found, f"{total}, as {width} is {written}")


def misfit(part: str, key: str, value: object, expected: str, *, remedy: str = "") -> CheckpointError:
    """The error about a value in the config of a part that does not fit other parts.

    Args:
        part: The part.
        key: Key of its config.
        value: The value.
        expected: The value that would fit, and why.
        remedy: What to do, if the checkpoint may be right.
    """
    return CheckpointError(
        f"The checkpoint's {part} has {key} {value!r}; expected {expected}.",
        remedy=remedy or "Get the checkpoint again, or correct its configs.",
    )
