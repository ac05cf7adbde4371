"""The table of builders: the module that builds and opens the engines of each target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path

from latentlink.engine.bundle import RunEngine

BUILDERS: Mapping[str, str] = {
    "tensorrt": "latentlink.engine.builders.tensorrt",
    "tensorrt-rtx": "latentlink.engine.builders.tensorrt",
    "ort-tensorrt": "latentlink.engine.builders.ep_context",
    "ort-nv-rtx": "latentlink.engine.builders.ep_context",
    "ort-cuda": "latentlink.engine.builders.ort",
    "openvino-cpu": "latentlink.engine.builders.openvino",
    "ort-cpu": "latentlink.engine.builders.ort",
}
"""Module by target. It has `build_engine(job) -> facts`, and for targets of the processor `open_engine(path)`."""

Opener = Callable[[Path, str], AbstractContextManager[RunEngine]]
"""Opens an engine's file for a target; until the block ends it can be run on host arrays."""


@contextmanager
def open_on_cpu(path: Path, target: str) -> Iterator[RunEngine]:
    """Open an engine of a target for the processor, with its builder."""
    yield import_module(BUILDERS[target]).open_engine(path)
