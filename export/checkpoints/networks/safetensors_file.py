"""A safetensors file: names and shapes first, tensors on demand. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from latentlink.errors import CheckpointError


def read_header(path: Path) -> tuple[Mapping[str, tuple[int, ...]], Mapping[str, str]]:
    """Shape of every tensor by name, and the metadata entries, such as those of the modelspec.

    Raises:
        CheckpointError: The file is not safetensors: truncated, pickled, or with a wrong header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            return shapes, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{str(path)!r} is not a whole safetensors file: {str(error).rstrip('.')}.",
            remedy="Get the file again; a pickled checkpoint (.ckpt, .pt, .bin) is not read, convert it first.",
        ) from None


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
