"""ONNX Runtime sessions: IO binding on preallocated OrtValues of the provider's device, no silent fall-back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from latentlink.engine.ort_providers import PROVIDERS, RECORD, open_inference, placement
from latentlink.errors import BundleError, PreflightError, UsageError
from latentlink.ports import Port
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.readback import engine_title, read_port

TYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}

NO_MEMORY = ("Failed to allocate memory", "out of memory")
"""Words of ONNX Runtime's arenas and of CUDA."""


def open_session(path: Path, target: str, threads: int | None, varied: bool) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`."""
    return OrtSession(path, target, threads, varied)


class OrtSession:
    """An ONNX Runtime engine with its state in OrtValues.

    CUDA graphs are off: a captured graph reads and writes the addresses that it was captured with, while the state of a
    run goes round in rings of buffers.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def __init__(self, path: Path, target: str, threads: int | None, varied: bool = False) -> None:
        self._title = engine_title(path)
        self._device = "cuda" if PROVIDERS[target].gpu else "cpu"
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # One operator at a time over all threads: the graphs are chains, so a second pool would only compete.
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        # At the second run of a size, a plan of the first has all its memory allocated once more, in one piece.
        options.enable_mem_pattern = not varied
        # Threads that spin after a run would take the processors from whatever else the process does.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry(*RECORD)
        # The graph was optimised when it was built. What the builder left is the layout for this very
        # processor; it is done here.
        try:
            opened = open_inference(path, options, target)
        except PreflightError:
            raise
        except Exception as error:  # onnxruntime raises a class of its own for every status
            raise _failed(error, f"ONNX Runtime cannot open {self._title}") from None
        session = opened.session
        self.inputs = tuple(_port(arg, path) for arg in session.get_inputs())
        self.outputs = tuple(_port(arg, path) for arg in session.get_outputs())
        self._session: ort.InferenceSession | None = session
        self._memory = opened.memory
        self._placement = placement(session)
        self._elapsed = 0.0

    def placement(self) -> Mapping[str, int]:
        """How many nodes run on which provider."""
        return self._placement

    def upload(self, array: NDArray[Any]) -> Buffer:
        """A buffer with the array's values."""
        value = self.empty(array.shape, array.dtype)
        self.write(value, array)
        return value

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        place = {"device_type": self._device} if self._memory is None else {"memory_info": self._memory}
        try:
            return cast(Buffer, ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype.type, **place))
        except Exception as error:
            raise _failed(error, f"ONNX Runtime makes no buffer of {list(shape)} for {self._title}") from None

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""
        cast(ort.OrtValue, buffer).update_inplace(np.ascontiguousarray(array))

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer, copied where it lies elsewhere."""
        if isinstance(buffer, ort.OrtValue):
            here = self.empty((1,), np.dtype(np.uint8))
            if buffer.device_name() == cast(ort.OrtValue, here).device_name():
                return cast(Buffer, buffer)
        return self.upload(buffer.numpy())

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """A new buffer of some rows of one; see `Session.gather`."""
        found = buffer.numpy().reshape(-1, *shape[1:])
        picked = found[np.maximum(rows, 0)]
        picked[np.equal(rows, -1)] = 0
        return self.upload(picked)

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; see `Session.run`."""
        if self._session is None:
            raise UsageError(
                f"The engine {self._title} is closed; expected an open one.", remedy="Load the bundle again."
            )
        try:
            binding = self._session.io_binding()
            for name, buffer in inputs.items():
                binding.bind_ortvalue_input(name, cast(ort.OrtValue, buffer))
            for name, wanted in outputs.items():
                if wanted is None:
                    # a plug-in's memory has no name to ask for
                    binding.bind_output(name, "cpu" if self._memory is not None else self._device)
                else:
                    binding.bind_ortvalue_output(name, cast(ort.OrtValue, wanted))
            binding.synchronize_inputs()
            before = perf_counter()
            self._session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            self._elapsed += perf_counter() - before
        except Exception as error:
            raise _failed(error, f"The engine {self._title} failed") from None
        return dict(zip(outputs, binding.get_outputs(), strict=True))

    def elapsed(self) -> float:
        """Seconds that all runs took."""
        return self._elapsed

    def close(self) -> None:
        """Give back the session's memory."""
        self._session = None


def _failed(error: Exception, what: str) -> Exception:
    """What ONNX Runtime raised, as what it means."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return MemoryError(str(error))
    return BundleError(
        f"{what}: {' '.join(str(error).split())}",
        remedy="Build the bundle again: latentlink build EXPORTED BUNDLE.",
    )


def _port(arg: Any, path: Path) -> Port:
    """The port of one of the engine's own tensors."""
    return read_port(path, arg.name, arg.shape, dtype=TYPES.get(arg.type), described=arg.type)
