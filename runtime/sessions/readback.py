"""Ports read back from an engine's own tensors: the name says what it is, the type has to agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latentlink.errors import BundleError, SymbolError
from latentlink.ports import Dim, Port


def read_port(path: Path, name: str, shape: Sequence[Dim], *, dtype: str | None, described: str) -> Port:
    """The port of one tensor of an opened engine.

    Args:
        path: The engine's file, for messages.
        name: Of the tensor.
        shape: Of the tensor, free dimensions by any name.
        dtype: The tensor's own type as ports name it; None where no port has such a type.
        described: That type as the engine names it, for messages.

    Raises:
        BundleError: The name carries no symbol, or the type is not the one that it says.
    """
    try:
        port = Port.parse(name, shape)
    except SymbolError:
        raise BundleError(
            f"The engine {path.name} has a tensor {name!r} that carries no symbol.",
            remedy="Export and build it with latentlink: a graph from elsewhere says nothing of its latent space.",
        ) from None
    if dtype != port.dtype:
        raise BundleError(
            f"The tensor {name!r} of the engine {path.name} is {described}, but its name says {port.dtype}.",
            remedy="The engine was tampered with: build it again.",
        )
    return port


def engine_title(path: Path) -> str:
    """An engine's file as messages name it: the end of its path in the bundle, `denoiser/ort-cpu/model.onnx`."""
    return "/".join(path.parts[-3:])
