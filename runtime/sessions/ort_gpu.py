"""ONNX Runtime sessions on a GPU: the providers run on the stream of `Cuda`, with our own buffers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.gpu.cuda import Cuda, this_gpu
from latentlink.runtime.sessions.gpu.cuda_session import CudaSession
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.gpu.ort_shapes import ShapedRuns
from latentlink.runtime.sessions.ort_engine import OrtEngine

GRAPHS = 4
"""Number of sets of shapes to capture, the first ones: ONNX Runtime keeps a graph as long as its session."""


def open_session(path: Path, target: str, threads: int | None, low_memory: bool, *, graphs: bool = True) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`.

    Args:
        path: The model file.
        target: A GPU target of `PROVIDERS`.
        threads: Threads for nodes that run on the CPU.
        low_memory: Whether sizes vary, so that graphs are not worth their memory.
        graphs: Whether to capture CUDA graphs.

    Raises:
        PreflightError: The provider, cuda-python or a GPU is missing.
        BundleError: The model is damaged.
        MemoryError: The GPU does not have enough memory for it.
    """
    return OrtGpuSession(path, target, threads, low_memory, this_gpu(), graphs=graphs and not low_memory)


class OrtGpuSession(CudaSession):
    """An ONNX Runtime engine with its state in device memory.

    ONNX Runtime waits for the GPU before every run, so that runs are enqueued one at a time. It captures a graph for
    each thread that runs the engine.

    Args:
        path: The model file.
        target: A GPU target of `PROVIDERS`.
        threads: Threads for nodes that run on the CPU.
        low_memory: Whether to save memory rather than speed up later runs of the same size.
        cuda: The GPU.
        graphs: Whether to capture CUDA graphs, if the provider can capture this engine.
    """

    def __init__(
        self, path: Path, target: str, threads: int | None, low_memory: bool, cuda: Cuda, *, graphs: bool = True
    ) -> None:
        with cuda.opening():
            self._engine = OrtEngine(path, target, threads, low_memory, stream=cuda.stream, graphs=graphs)
        self._sets: dict[tuple[tuple[int, ...], ...], ShapedRuns] = {}
        give_back = partial(_give_back, self._engine, self._sets)
        super().__init__(cuda, self._engine.title, self._engine.inputs, self._engine.outputs, give_back)

    @property
    def captured(self) -> int:
        """Number of sets of shapes that a CUDA graph replays."""
        return sum(runs.captured for runs in self._sets.values())

    def placement(self) -> Mapping[str, int]:
        """Number of nodes by provider."""
        return self._engine.placement

    def _run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        feeds = self._check_buffers("reads", self._reads, inputs)
        wanted = {name: buffer for name, buffer in outputs.items() if buffer is not None}
        began = perf_counter()
        with self._cuda.lock:
            CLOCK.waited_since(began)
            runs = self._of(feeds)
            missing = [name for name in runs.outputs if name not in wanted]
            made = {name: DeviceBuffer(self._cuda, *runs.outputs[name]) for name in missing}
            written = self._check_buffers("writes", self._writes, {**made, **wanted})
            self._check_written(written, {name: shape for name, (shape, _) in runs.outputs.items()})
            with self._timing(written):
                runs.run(feeds, written)
        return {name: written[name] for name in outputs}

    def _of(self, feeds: Mapping[str, DeviceBuffer]) -> ShapedRuns:
        """The runs for a set of shapes."""
        key = tuple(feeds[name].shape for name in self._reads)
        if key not in self._sets:
            graph = len(self._sets) if self._engine.graphs and len(self._sets) < GRAPHS else None
            self._sets[key] = ShapedRuns(self._cuda, self._engine, feeds, self._writes, graph)
        return self._sets[key]


def _give_back(engine: OrtEngine, sets: dict[Any, ShapedRuns]) -> None:
    engine.close()  # its graphs are released before the buffers that they were captured with
    sets.clear()
