"""From a bundle to pictures: linking, sessions, samplers, noise, pipeline, transfer. No torch, no model family."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from latentlink.bundle_names import bundle_path

if TYPE_CHECKING:
    from latentlink.runtime.chains import ChainResult, Hop, Stage, chain
    from latentlink.runtime.denoising import Progress
    from latentlink.runtime.linking import Decision
    from latentlink.runtime.loading import load
    from latentlink.runtime.picture_files import picture_options
    from latentlink.runtime.pipeline import Pipeline
    from latentlink.runtime.request import Latents
    from latentlink.runtime.result import Result
    from latentlink.runtime.transfers import TransferResult, transfer

__all__ = [
    # opening a bundle
    "Decision",
    "bundle_path",
    "load",
    # drawing
    "Latents",
    "Pipeline",
    "Progress",
    "Result",
    "picture_options",
    # several models
    "ChainResult",
    "Hop",
    "Stage",
    "TransferResult",
    "chain",
    "transfer",
]  # fmt: skip

_HOMES: Mapping[str, str] = {
    "Decision": "linking",
    "load": "loading",
    "Latents": "request",
    "Pipeline": "pipeline",
    "Progress": "denoising",
    "Result": "result",
    "picture_options": "picture_files",
    "ChainResult": "chains",
    "Hop": "chains",
    "Stage": "chains",
    "chain": "chains",
    "TransferResult": "transfers",
    "transfer": "transfers",
}


if not TYPE_CHECKING:  # type checkers read the imports above, and report names that do not exist

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used, so that one room can be read without the others."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """All names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
