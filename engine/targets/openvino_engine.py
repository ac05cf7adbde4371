"""An engine of openvino-cpu, as it is opened to be built and to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from latentlink.engine.targets.mapped_weights import MappedWeights
from latentlink.engine.targets.openvino_module import openvino, tensor_names

HEAD = b"<?xml"

LOWERED = ("latentlink", "inference_precision")
"""Where an engine says `bf16`: what it has in float32 is computed in bfloat16, but for what is marked."""

KEPT = 2
"""Sizes that an engine is compiled for at a time: those of rows with guidance and without, as a rule."""


class Compiled:
    """An engine compiled for the sizes of one run, and its one request.

    Args:
        model: Compiled by OpenVINO.
        weights: What it reads; kernels of free sizes copy them at the first run.
    """

    def __init__(self, model: Any, weights: MappedWeights) -> None:
        self.request: Any = model.create_infer_request()
        self._reading: AbstractContextManager[None] = weights.passing()

    def least(self, output: str) -> list[int]:
        """The shape that a tensor for an output begins with, 0 for sizes that a run makes as large as they have to be.

        Args:
            output: A tensor's name.
        """
        shape = self.request.get_compiled_model().output(output).get_partial_shape()
        return [0 if size.is_dynamic else size.get_length() for size in shape]

    def infer(self) -> None:
        """Run once on the request's tensors."""
        with self._reading:
            self.request.infer()
        self._reading = nullcontext()


class OpenVinoEngine:
    """An engine of openvino-cpu.

    Where sizes are free, as the number of rows always is, it is compiled when it is run, for the sizes of that run:
    kernels of free sizes are less fused, and made at the first run of a size anyway. A true-size step takes a tenth
    longer with them in bfloat16, a fifth in int8, and its first run as long as compiling and running.

    Its weights are mapped, and leave memory as they are copied: what kernels keep has layouts of their own. OpenVINO's
    own mapping would stay, and a true-size denoiser would take 6.6 GiB, not 3.4.

    Args:
        path: Its `model.xml`.
        threads: Of one run; None is OpenVINO's choice: the cores that this process may use, and of the two
            hardware threads of a core one, as both would share its vector unit.
        low_memory: Whether one that takes any sizes is compiled, at once, so that no run takes memory for it.

    Raises:
        PreflightError: OpenVINO is not here.
        OSError: It cannot be read.
        ValueError: It is no OpenVINO IR. Of a file that is none, OpenVINO would ask every reader it has.
        RuntimeError: OpenVINO does not take it.
        MemoryError: There is not enough for it.
    """

    def __init__(self, path: Path, threads: int | None, *, low_memory: bool = False) -> None:
        ov = openvino()
        graph = path.read_bytes()
        if not graph.startswith(HEAD):
            raise ValueError("it is no OpenVINO IR")
        self._weights = MappedWeights(path.with_suffix(".bin"))
        self._core = ov.Core()
        with self._weights.passing():
            self._model = self._core.read_model(graph, ov.Tensor(self._weights.bytes, shared_memory=True))
        self._settings: dict[str, Any] = {
            # The graph's types are what it computes in: left alone, OpenVINO takes bfloat16 for float32 where it can.
            "INFERENCE_PRECISION_HINT": "bf16" if _is_lowered(self._model) else "f32",
            # One run at a time over all threads; a stream more would keep buffers of its own for runs that never come.
            "NUM_STREAMS": "1",
            # A pinned thread waits for its processor while another is idle: here other programs run too, and the
            # threads of other engines.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            self._settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_HYPER_THREADING": True}
        self.inputs: Sequence[Any] = self._model.inputs
        self.outputs: Sequence[Any] = self._model.outputs
        free = [value for value in self.inputs if value.get_partial_shape().is_dynamic]
        self._free = () if low_memory else tuple(tensor_names(value)[0] for value in free)
        self._compiled: dict[tuple[tuple[int, ...], ...], Compiled] = {}
        if not self._free:
            self.compiled({})

    def compiled(self, shapes: Mapping[str, Sequence[int]]) -> Compiled:
        """It, compiled for these shapes.

        Args:
            shapes: Of every input, by its tensor's name.

        Raises:
            RuntimeError: OpenVINO does not take it.
            MemoryError: There is not enough for it.
        """
        key = tuple(tuple(shapes[name]) for name in self._free)
        found = self._compiled.pop(key, None)
        if found is None:
            while len(self._compiled) >= KEPT:
                del self._compiled[next(iter(self._compiled))]
            found = self._compile(dict(zip(self._free, key, strict=True)))
        self._compiled[key] = found  # the one that ran last is last
        return found

    def _compile(self, shapes: Mapping[str, Sequence[int]]) -> Compiled:
        model = self._model
        if shapes:
            model = model.clone()
            model.reshape({name: [*shape] for name, shape in shapes.items()})
        with self._weights.passing():
            return Compiled(self._core.compile_model(model, "CPU", self._settings), self._weights)


def _is_lowered(model: Any) -> bool:
    return bool(model.has_rt_info([*LOWERED])) and model.get_rt_info([*LOWERED]).astype(str) == "bf16"
