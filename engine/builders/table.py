"""Which module builds and opens the engines of each target."""

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
"""Module of each target; it has `build_engine(job) -> facts`, and of those for the processor `open_engine(path)`."""

Opener = Callable[[Path, str], AbstractContextManager[RunEngine]]
"""Opens an engine's file of a target, to be run on arrays of the host until the block ends."""


@contextmanager
def open_on_cpu(path: Path, target: str) -> Iterator[RunEngine]:
    """Opens the engines of the targets for the processor, by their builders."""
    yield import_module(BUILDERS[target]).open_engine(path)
