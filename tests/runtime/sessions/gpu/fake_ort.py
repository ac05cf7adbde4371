"""onnxruntime-gpu 1.31.1 that computes on the processor, strict about options, the stream, addresses and graphs.

It takes the place of `onnxruntime.InferenceSession`. A captured run reads and writes the addresses that it was captured
with, whatever is bound later, and each thread has its own. CUDA's provider keeps a graph for each `gpu_graph_id`;
TensorRT's does not read it, and has one for a session, which it replays before it looks at what is bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from latentlink.runtime.sessions.ort_engine import TYPES
from tests.runtime.sessions.gpu.fake_gpu import FakeCuda, Work
from tests.runtime.sessions.gpu.partition import copies

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
TENSORRT, RTX = "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"

COMMON = {"device_id", "has_user_compute_stream", "user_compute_stream"}
OPTIONS: Mapping[str, frozenset[str]] = {
    CUDA: frozenset(COMMON | {"use_tf32", "arena_extend_strategy", "enable_cuda_graph", "gpu_mem_limit"}),
    TENSORRT: frozenset(
        COMMON | {"trt_cuda_graph_enable", "trt_fp16_enable", "trt_ep_context_file_path", "trt_engine_cache_enable"}
    ),
    RTX: frozenset({*COMMON, "enable_cuda_graph", "nv_runtime_cache_path"} - {"device_id"}),
}
"""Options that a provider knows, of those that may occur."""

GRAPHS: Mapping[str, str] = {
    CUDA: "enable_cuda_graph",
    TENSORRT: "trt_cuda_graph_enable",
    RTX: "enable_cuda_graph",
}


class Options(ort.SessionOptions):  # type: ignore[misc]
    """Session options, to which a plug-in is added."""

    plugin: tuple[str, Mapping[str, str]] | None = None

    def add_provider_for_devices(self, devices: Sequence[Any], provider_options: Mapping[str, str]) -> None:
        (device,) = devices
        self.plugin = (device.ep_name, provider_options)


Place = tuple[np.dtype[Any], tuple[int, ...], int | None]
"""dtype, shape and address; no address where onnxruntime allocates."""


class FakeOrt:
    """The package, as far as sessions use it.

    Args:
        gpu: The GPU.
    """

    def __init__(self, gpu: FakeCuda) -> None:
        self.gpu = gpu
        self.capturable = True  # whether a graph that is not copied from and to can be captured
        self.sessions: list[GpuSession] = []
        self.real = ort.InferenceSession

    def open_inference_session(
        self, source: Any, options: Any, providers: Sequence[tuple[str, Mapping[str, str]]] | None, enable_fallback: int
    ) -> GpuSession:
        assert enable_fallback == 0
        if providers is None:
            assert options.plugin is not None
            name, chosen = options.plugin
        else:
            (name, chosen), (rest, _) = providers
            assert rest == CPU
        if unknown := chosen.keys() - OPTIONS[name]:
            raise RuntimeError(f"Unknown provider option: {sorted(unknown)}")
        assert chosen["user_compute_stream"] == str(int(self.gpu.stream))
        assert self.gpu.capturing is None
        graphs = chosen.get(GRAPHS[name]) == "1"
        if graphs and not (self.capturable and not copies(ir.load(source))):
            raise RuntimeError("This session cannot use the graph capture feature as requested by the user")
        made = GpuSession(self.gpu, self.real(source, options, providers=[CPU]), name, graphs)
        self.sessions.append(made)
        return made


@dataclass
class Binding:
    """In the place of `IOBinding`."""

    inputs: dict[str, Place] = field(default_factory=dict)
    outputs: dict[str, Place] = field(default_factory=dict)
    made: list[Any] = field(default_factory=list)

    def bind_input(self, name: str, device: str, number: int, dtype: type, shape: Sequence[int], pointer: int) -> None:
        assert (device, number) == ("cuda", 0)
        self.inputs[name] = (np.dtype(dtype), tuple(shape), pointer)

    def bind_output(
        self,
        name: str,
        device: str = "cpu",
        number: int = 0,
        dtype: type = np.void,
        shape: Sequence[int] = (),
        pointer: int | None = None,
    ) -> None:
        assert (device, number) == ("cuda", 0)
        self.outputs[name] = (np.dtype(dtype), tuple(shape), pointer)

    def get_outputs(self) -> list[Any]:
        return self.made


class GpuSession:
    """In the place of a session that `InferenceSession` opens."""

    def __init__(self, gpu: FakeCuda, session: Any, name: str, graphs: bool) -> None:
        self.gpu, self.session, self.name, self.graphs = gpu, session, name, graphs
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        self.captured: dict[tuple[int, str], tuple[Work, Work]] = {}
        self.replayed = 0
        self.failure = ""  # what the next runs fail with

    def get_providers(self) -> list[str]:
        return [self.name, CPU]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [SimpleNamespace(ep_name=self.name, get_nodes=lambda: [None] * 12)]

    def io_binding(self) -> Binding:
        return Binding()

    def run_with_iobinding(self, binding: Binding, options: Any) -> None:
        if self.failure:
            raise RuntimeError(self.failure)
        assert options.get_run_config_entry("disable_synchronize_execution_providers") == "1"
        number = options.get_run_config_entry("gpu_graph_id")
        graph = (get_ident(), number if self.name == CUDA else "")
        if graph in self.captured:
            self.gpu.enqueue(*self.captured[graph])
            self.gpu.cudaStreamSynchronize(self.gpu.stream)  # as ReplayGraph does
            self.replayed += 1
            return
        work = self._kernel(binding)
        self.gpu.enqueue(*work)
        if self.graphs and graph[1] != "-1":
            assert all(pointer is not None for _, _, pointer in binding.outputs.values()), "an address would change"
            self.captured[graph] = work

    def _kernel(self, binding: Binding) -> tuple[Work, Work]:
        names = list(binding.outputs)
        assert {arg.name for arg in self.get_inputs()} == {*binding.inputs}
        assert {arg.name for arg in self.get_outputs()} == {*names}
        for arg in self.get_inputs():
            assert binding.inputs[arg.name][0] == TYPES[arg.type]
        zeros = {name: np.zeros(shape, dtype) for name, (dtype, shape, _) in binding.inputs.items()}
        sizes = [array.shape for array in self.session.run(names, zeros)]
        binding.made = [SimpleNamespace(shape=lambda size=size: list(size)) for size in sizes]
        inputs, outputs = dict(binding.inputs), dict(binding.outputs)

        def check() -> None:
            for dtype, shape, pointer in (*inputs.values(), *outputs.values()):
                if pointer is not None:
                    self.gpu.region(pointer, int(np.prod(shape)) * dtype.itemsize)

        def kernel() -> None:
            feeds = {}
            for name, (dtype, shape, pointer) in inputs.items():
                assert pointer is not None
                data = self.gpu.view(pointer, int(np.prod(shape)) * dtype.itemsize)
                feeds[name] = data.copy().view(dtype).reshape(shape)
            for name, array in zip(names, self.session.run(names, feeds), strict=True):
                dtype, shape, pointer = outputs[name]
                if pointer is not None:
                    assert (array.dtype, array.shape) == (dtype, shape)
                    self.gpu.view(pointer, array.nbytes)[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            self.gpu.clock += 1

        return check, kernel
