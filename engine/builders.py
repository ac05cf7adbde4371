"""Which module builds and opens the engines of each target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path

from latentlink.engine.probes import Run

BUILDERS: Mapping[str, str] = {
    "tensorrt": "latentlink.engine.tensorrt_builder",
    "tensorrt-rtx": "latentlink.engine.tensorrt_builder",
    "ort-tensorrt": "latentlink.engine.ep_context_builder",
    "ort-nv-rtx": "latentlink.engine.ep_context_builder",
    "ort-cuda": "latentlink.engine.ort_builder",
    "openvino-cpu": "latentlink.engine.openvino_builder",
    "ort-cpu": "latentlink.engine.ort_builder",
}
"""Module of each target; it has `build_engine(job) -> facts`, and of those for the processor `open_engine(path)`."""

Opener = Callable[[Path, str], AbstractContextManager[Run]]
"""Opens an engine's file of a target, to be run on arrays of the host until the block ends."""


@contextmanager
def open_on_cpu(path: Path, target: str) -> Iterator[Run]:
    """Opens the engines of the targets for the processor, by their builders."""
    yield import_module(BUILDERS[target]).open_engine(path)
