"""LatentLink: a linker and runtime for latent-diffusion models.

import latentlink

pipe = latentlink.load("demo")
pipe.generate("a red circle on a blue background", seed=7).images[0].save("out.png")
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from latentlink.errors import (
    BundleError,
    Cancelled,
    CheckpointError,
    GuardError,
    LatentLinkError,
    LinkError,
    PreflightError,
    SymbolError,
    UsageError,
)
from latentlink.ports import Port
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding

if TYPE_CHECKING:
    from latentlink.runtime import Latents, Pipeline, Result, Stage, chain, load, transfer

# ONNX Runtime sends telemetry unless this is set before it is imported (its Privacy.md), and its threads for that hang
# or crash a forked process at exit. Set the variable to 0 to have telemetry.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

__all__ = [
    # the runtime
    "Latents",
    "Pipeline",
    "Result",
    "Stage",
    "chain",
    "load",
    "transfer",
    # the vocabulary
    "KNOWN_SPACES",
    "LatentSpace",
    "Port",
    "TextEmbedding",
    # errors
    "BundleError",
    "Cancelled",
    "CheckpointError",
    "GuardError",
    "LatentLinkError",
    "LinkError",
    "PreflightError",
    "SymbolError",
    "UsageError",
]  # fmt: skip

_RUNTIME = ("Latents", "Pipeline", "Result", "Stage", "chain", "load", "transfer")


if not TYPE_CHECKING:  # type checkers read the imports above, and report names that do not exist

    def __getattr__(name: str) -> Any:
        """Import the runtime when it is first used, so that the vocabulary alone stays light."""
        if name in _RUNTIME:
            return getattr(import_module("latentlink.runtime"), name)
        raise AttributeError(f"module 'latentlink' has no attribute {name!r}")


def __dir__() -> list[str]:
    """All names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
