"""LatentLink: a linker and runtime for latent-diffusion models.

latentlink.load("demo").generate("a red circle on a blue background").save("out.png")
"""

from __future__ import annotations

import logging as _logging
import os as _os
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `as` tells type checkers that a name is public
    from latentlink.errors import BuildError as BuildError
    from latentlink.errors import BundleError as BundleError
    from latentlink.errors import Cancelled as Cancelled
    from latentlink.errors import CheckpointError as CheckpointError
    from latentlink.errors import DeviceError as DeviceError
    from latentlink.errors import ExitStatus as ExitStatus
    from latentlink.errors import GuardError as GuardError
    from latentlink.errors import LatentLinkError as LatentLinkError
    from latentlink.errors import LinkError as LinkError
    from latentlink.errors import PreflightError as PreflightError
    from latentlink.errors import SymbolError as SymbolError
    from latentlink.errors import UsageError as UsageError
    from latentlink.options import GenerateOptions as GenerateOptions
    from latentlink.options import RunOptions as RunOptions
    from latentlink.options import StageOptions as StageOptions
    from latentlink.ports import Port as Port
    from latentlink.runtime.chains import ChainResult as ChainResult
    from latentlink.runtime.chains import Hop as Hop
    from latentlink.runtime.chains import Stage as Stage
    from latentlink.runtime.chains import chain as chain
    from latentlink.runtime.denoising import Change as Change
    from latentlink.runtime.denoising import OnStep as OnStep
    from latentlink.runtime.denoising import Progress as Progress
    from latentlink.runtime.denoising import Unmeasured as Unmeasured
    from latentlink.runtime.guards import Mended as Mended
    from latentlink.runtime.linking import Admission as Admission
    from latentlink.runtime.linking import Decision as Decision
    from latentlink.runtime.linking import Proof as Proof
    from latentlink.runtime.linking import Skipped as Skipped
    from latentlink.runtime.loading import load as load
    from latentlink.runtime.picture_files import Origin as Origin
    from latentlink.runtime.picture_files import Record as Record
    from latentlink.runtime.picture_files import picture_options as picture_options
    from latentlink.runtime.pipeline import Pipeline as Pipeline
    from latentlink.runtime.request import Latents as Latents
    from latentlink.runtime.request import Request as Request
    from latentlink.runtime.result import Result as Result
    from latentlink.runtime.steps import Steps as Steps
    from latentlink.runtime.text import PromptEmbeddings as PromptEmbeddings
    from latentlink.runtime.transfers import TransferResult as TransferResult
    from latentlink.runtime.transfers import transfer as transfer
    from latentlink.spaces import KNOWN_SPACES as KNOWN_SPACES
    from latentlink.spaces import LatentSpace as LatentSpace
    from latentlink.spaces import TextEmbedding as TextEmbedding

__version__ = "0.1.0"

_GROUPS = {
    "drawing": {
        "load": ("runtime.loading", "opens a bundle"),
        "Pipeline": ("runtime.pipeline", "an open bundle"),
        "Result": ("runtime.result", "pictures and latents"),
        "Latents": ("runtime.request", "an array and its space"),
        "Request": ("runtime.request", "all options, resolved"),
        "GenerateOptions": ("options", "types of the options"),
        "picture_options": ("runtime.picture_files", "those of a picture's file"),
        "Steps": ("runtime.steps", "a run, row by row"),
        "Progress": ("runtime.denoising", "what on_step receives"),
        "Change": ("runtime.denoising", "what it may return"),
        "OnStep": ("runtime.denoising", "the type of on_step"),
        "PromptEmbeddings": ("runtime.text", "prompts, encoded"),
    },
    "models": {
        "chain": ("runtime.chains", "models in a row"),
        "Stage": ("runtime.chains", "one model of a chain"),
        "ChainResult": ("runtime.chains", "what chain returns"),
        "Hop": ("runtime.chains", "between two stages"),
        "StageOptions": ("options", "types of Stage's options"),
        "RunOptions": ("options", "types of chain's options"),
        "transfer": ("runtime.transfers", "to another latent space"),
        "TransferResult": ("runtime.transfers", "latents, and the loss"),
    },
    "reports": {
        "Decision": ("runtime.linking", "the engine that runs"),
        "Skipped": ("runtime.linking", "an engine passed over"),
        "Proof": ("runtime.linking", "its own probes' result"),
        "Admission": ("runtime.linking", "a replacement's probes"),
        "Record": ("runtime.picture_files", "how a picture was made"),
        "Origin": ("runtime.picture_files", "the model that made it"),
        "Mended": ("runtime.guards", "a result made again"),
        "Unmeasured": ("runtime.denoising", "a step cache not measured"),
    },
    "spaces": {
        "LatentSpace": ("spaces", "what latents mean"),
        "KNOWN_SPACES": ("spaces", "the published ones"),
        "TextEmbedding": ("spaces", "what embeddings mean"),
        "Port": ("ports", "an input or output"),
    },
    "errors": {
        "LatentLinkError": ("errors", "the base of all"),
        "UsageError": ("errors", "a wrong argument"),
        "LinkError": ("errors", "engines that do not fit"),
        "BundleError": ("errors", "a damaged bundle"),
        "PreflightError": ("errors", "no engine runs here"),
        "DeviceError": ("errors", "the GPU failed"),
        "GuardError": ("errors", "a faulty result"),
        "Cancelled": ("errors", "on_step ended the run"),
        "CheckpointError": ("errors", "a checkpoint not read"),
        "BuildError": ("errors", "a graph does not compile"),
        "SymbolError": ("errors", "a wrong name of a port"),
        "ExitStatus": ("errors", "of the command line"),
    },
}
"""The public names in groups, each with the module that has it and a few words for `help(latentlink)`. A new name is a
line here, and an import above for type checkers."""

_HOMES = {name: home for names in _GROUPS.values() for name, (home, _) in names.items()}


def _listed() -> str:
    """The public names for the docstring, two in a line, with the group at the margin."""
    lines = []
    for group, names in _GROUPS.items():
        cells = [f"{name:<17}{words:<26}" for name, (_, words) in names.items()]
        rows = ["".join(cells[first : first + 2]).rstrip() for first in range(0, len(cells), 2)]
        lines += [f"{margin:<9}{row}" for margin, row in zip([group, *[""] * len(rows)], rows, strict=False)]
    return "\n".join(lines)


def _meant(name: str) -> str:
    """The public name that a wrong one is nearest to, as a question."""
    from difflib import get_close_matches

    near = get_close_matches(name, _HOMES, 1)
    return f" Did you mean {near[0]!r}?" if near else ""


if __doc__ is not None:  # python -OO takes it away
    __doc__ += f"\n{_listed()}"


if not TYPE_CHECKING:  # type checkers read the imports above, and report names that do not exist

    def __getattr__(name: str) -> object:
        """Import a name when it is first used, so that importing the package stays light."""
        if name in _HOMES:
            value = getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)
            return globals().setdefault(name, value)
        if name in _HOMES.values():  # latentlink.errors, latentlink.options, ...
            return _import_module(f"{__name__}.{name}")
        if name == "__all__":
            # There is none, as help(latentlink) would then print every class in full. `from latentlink import *` looks
            # for it first, and then takes what has been imported: so import all.
            for public in _HOMES:
                __getattr__(public)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{_meant(name)}")


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet, and what every module has."""
    return sorted([*_HOMES, *(name for name in globals() if name.startswith("__") and not callable(globals()[name]))])


# A library prints nothing by itself (docs.python.org, Configuring Logging for a Library).
_logging.getLogger(__name__).addHandler(_logging.NullHandler())

# ONNX Runtime sends telemetry unless this is set before it is imported (its Privacy.md), and its threads for that hang
# or crash a forked process at exit. Set the variable to 0 to have telemetry.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
