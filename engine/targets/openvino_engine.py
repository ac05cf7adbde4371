"""An open OpenVINO engine, used by its builder and by the runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from latentlink.engine.targets.mapped_weights import MappedWeights
from latentlink.engine.targets.openvino_module import openvino, tensor_names
from latentlink.processors import cpu_quota, processors

HEAD = b"<?xml"

LOWERED_KEY = ("latentlink", "inference_precision")
"""Key of an engine's metadata. With the value `bf16`, its float32 nodes compute in bfloat16, except the marked ones."""

ENDLESS = ("Loop", "TensorIterator")
"""Operators that repeat as often as a number in the file says. No engine needs one."""

MAX_COMPILED = 2
"""Sizes for which an engine is compiled at a time: usually with guidance and without."""


class CompiledModel:
    """An engine compiled for the sizes of one run, with its inference request.

    Args:
        model: OpenVINO's compiled model.
        weights: Its weights; kernels of free sizes copy them at the first run.
    """

    def __init__(self, model: Any, weights: MappedWeights) -> None:
        self.request: Any = model.create_infer_request()
        self._reading: AbstractContextManager[None] = weights.releasing()

    def initial_shape(self, output: str) -> list[int]:
        """The shape to allocate an output tensor with; a free size is 0, and the run enlarges it.

        Args:
            output: The tensor's name.
        """
        shape = self.request.get_compiled_model().output(output).get_partial_shape()
        return [0 if size.is_dynamic else size.get_length() for size in shape]

    def infer(self) -> None:
        """Run on the request's tensors."""
        with self._reading:
            self.request.infer()
        self._reading = nullcontext()


class OpenVinoEngine:
    """An open OpenVINO engine.

    With free sizes, and the number of rows is always free, it is compiled at a run, for the sizes of that run. Kernels
    of free sizes are less fused, and are generated at the first run of a size anyway: a true-size step takes a tenth
    longer with them in bfloat16 and a fifth longer in int8, and its first run takes as long as compiling and running.

    Its weights are mapped, and their pages are released as the kernels copy them into their own layouts. OpenVINO's own
    mapping would stay: a true-size denoiser would take 6.6 GiB instead of 3.4.

    Args:
        path: Its `model.xml`.
        threads: Threads of a run; None for OpenVINO's choice: one of the two hardware threads of every core that this
            process may use, as both would share the core's vector unit; and no more than `processors()`.
        low_memory: Compile it once, when it is opened, for free sizes, so that no run needs memory for compiling. An
            engine that chooses between two ways by its sizes is compiled for those of a run all the same: compiled for
            free sizes, OpenVINO 2026.4 computes something else in the first run of a way.

    Raises:
        PreflightError: OpenVINO is not installed.
        OSError: The file cannot be read.
        ValueError: It is no OpenVINO IR, on which OpenVINO would try all its other readers; or it has an operator
            that may repeat for ever.
        RuntimeError: OpenVINO cannot read or compile it.
        MemoryError: There is not enough memory.
    """

    def __init__(self, path: Path, threads: int | None, *, low_memory: bool = False) -> None:
        ov = openvino()
        graph = path.read_bytes()
        if not graph.startswith(HEAD):
            raise ValueError("it is no OpenVINO IR")
        self._weights = MappedWeights(path.with_suffix(".bin"))
        self._core = ov.Core()
        with self._weights.releasing():
            self._model = self._core.read_model(graph, ov.Tensor(self._weights.bytes, shared_memory=True))
        if endless := sorted({node.get_type_name() for node in self._model.get_ops()} & {*ENDLESS}):
            raise ValueError(f"it has the operator {endless[0]}, which may repeat for ever")
        self._settings: dict[str, Any] = {
            # It computes in the types of the graph: by default, OpenVINO replaces float32 by bfloat16 where it can.
            "INFERENCE_PRECISION_HINT": "bf16" if _is_lowered(self._model) else "f32",
            # One run at a time on all threads; further streams would hold buffers for runs that never come.
            "NUM_STREAMS": "1",
            # A pinned thread waits for its processor even while another one is idle, and other programs and engines
            # have threads too.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            self._settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_HYPER_THREADING": True}
        elif cpu_quota() is not None:  # OpenVINO does not see it; of this number it uses one thread a core at most
            self._settings["INFERENCE_NUM_THREADS"] = processors()
        self.inputs: Sequence[Any] = self._model.inputs
        self.outputs: Sequence[Any] = self._model.outputs
        free = [value for value in self.inputs if value.get_partial_shape().is_dynamic]
        once = low_memory and all(node.get_type_name() != "If" for node in self._model.get_ops())
        self._free = () if once else tuple(tensor_names(value)[0] for value in free)
        self._compiled: dict[tuple[tuple[int, ...], ...], CompiledModel] = {}
        if not self._free:
            self.compile_for({})

    def compile_for(self, shapes: Mapping[str, Sequence[int]]) -> CompiledModel:
        """The engine compiled for these shapes, from the cache if possible.

        Args:
            shapes: Shape of every input, by tensor name.

        Raises:
            RuntimeError: OpenVINO cannot compile it.
            MemoryError: There is not enough memory.
        """
        key = tuple(tuple(shapes[name]) for name in self._free)
        found = self._compiled.pop(key, None)
        if found is None:
            while len(self._compiled) >= MAX_COMPILED:
                del self._compiled[next(iter(self._compiled))]
            found = self._compile(dict(zip(self._free, key, strict=True)))
        self._compiled[key] = found  # the most recently used is last
        return found

    def trim(self) -> None:
        """Drop what was compiled for the sizes of a run."""
        if self._free:
            self._compiled.clear()

    def _compile(self, shapes: Mapping[str, Sequence[int]]) -> CompiledModel:
        model = self._model
        if shapes:
            model = model.clone()
            model.reshape({name: [*shape] for name, shape in shapes.items()})
        with self._weights.releasing():
            return CompiledModel(self._core.compile_model(model, "CPU", self._settings), self._weights)


def _is_lowered(model: Any) -> bool:
    return bool(model.has_rt_info([*LOWERED_KEY])) and model.get_rt_info([*LOWERED_KEY]).astype(str) == "bf16"
