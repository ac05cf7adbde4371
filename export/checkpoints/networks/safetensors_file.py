"""A safetensors file: names and shapes first, tensors on demand. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.file_formats import format_of


def read_header(path: Path) -> tuple[Mapping[str, tuple[int, ...]], Mapping[str, str]]:
    """Shape of every tensor by name, and the metadata entries, such as those of the modelspec.

    Raises:
        CheckpointError: The file is not safetensors: truncated, of another format, or with a wrong header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            return shapes, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _not_whole(path, error) from None


def _not_whole(path: Path, error: Exception) -> CheckpointError:
    try:
        known = format_of(path)
    except OSError as unreadable:
        return CheckpointError(f"{str(path)!r} cannot be read: {unreadable.strerror}.", remedy="Get the file again.")
    if known is None:
        return CheckpointError(
            f"{str(path)!r} is not a whole safetensors file: {str(error).rstrip('.')}.", remedy="Get the file again."
        )
    what, remedy = known
    return CheckpointError(f"{str(path)!r} is {what}; expected a whole safetensors file.", remedy=remedy)


def read_tensors(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Tensors by name, in the file's dtypes.

    Raises:
        CheckpointError: The file has changed since its header was read, or torch cannot hold its tensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, TypeError, RuntimeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise CheckpointError(
            f"The tensors of {str(path)!r} cannot be read: {reason}.", remedy="Get the file again."
        ) from None
