"""Ports read back from an engine's own tensors: the name gives the port, and the type has to agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latentlink.errors import BundleError, SymbolError
from latentlink.ports import Dim, Port


def read_port(path: Path, name: str, shape: Sequence[Dim], *, dtype: str | None, described: str) -> Port:
    """The port of one tensor of an open engine.

    Args:
        path: The engine's file, for messages.
        name: Name of the tensor.
        shape: Shape of the tensor, free dimensions by any name.
        dtype: Type of the tensor as ports name it; None if no port has such a type.
        described: Type of the tensor as the engine names it, for messages.

    Raises:
        BundleError: The name carries no symbol, or the type is not the one in the name.
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
    """An engine's title in messages: the end of its path in the bundle, `denoiser/ort-cpu/model.onnx`."""
    return "/".join(path.parts[-3:])
