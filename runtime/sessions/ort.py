"""ONNX Runtime sessions on the CPU: IO binding on preallocated OrtValues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.calls import current_call
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.failures import by_the_caller
from latentlink.runtime.sessions.host_session import HostSession
from latentlink.runtime.sessions.ort_engine import OrtEngine


def open_session(path: Path, target: str, threads: int | None, low_memory: bool) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`."""
    return OrtSession(path, target, threads, low_memory)


class OrtSession(HostSession):
    """An ONNX Runtime engine with its state in OrtValues."""

    concurrent: ClassVar[bool] = True

    def __init__(self, path: Path, target: str, threads: int | None, low_memory: bool = False) -> None:
        self._engine = OrtEngine(path, target, threads, low_memory)
        self.inputs, self.outputs = self._engine.inputs, self._engine.outputs
        self._low_memory = low_memory
        super().__init__(self._engine.title)

    def placement(self) -> Mapping[str, int]:
        """Number of nodes by provider."""
        return self._engine.placement

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        try:
            return cast(Buffer, ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype.type))
        except Exception as error:
            raise self._engine.failure(error, f"gets no buffer of {list(shape)}") from None

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""
        cast(ort.OrtValue, buffer).update_inplace(np.ascontiguousarray(array))

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer, copied if it is not in an OrtValue."""
        return buffer if isinstance(buffer, ort.OrtValue) else self.upload(buffer.numpy())

    def _run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        session = self._engine.session
        if session is None:  # closed meanwhile
            self._check_open()
        try:
            binding = session.io_binding()
            for name, buffer in inputs.items():
                binding.bind_ortvalue_input(name, cast(ort.OrtValue, buffer))
            for name, wanted in outputs.items():
                if wanted is None:
                    binding.bind_output(name)
                else:
                    binding.bind_ortvalue_output(name, cast(ort.OrtValue, wanted))
            options = self._run_options()
            with CLOCK.running(), _interruptible(options):
                session.run_with_iobinding(binding, options)
        except Exception as error:
            if by_the_caller(error):
                raise
            if (call := current_call()) is not None:
                call.check()
            raise self._engine.failure(error) from None
        return dict(zip(outputs, binding.get_outputs(), strict=True))

    def _run_options(self) -> ort.RunOptions:
        """Options of one run: threads may run at once, and each may be interrupted.

        The memory of a run is released, as the next engine would otherwise need as much again. Where a budget is
        measured, memory that was taken before must not be released.
        """
        options = ort.RunOptions()
        if not self._low_memory:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return options

    def _release(self) -> None:
        self._engine.close()


def _interruptible(options: ort.RunOptions) -> AbstractContextManager[None]:
    """Ends a run between two of its nodes if its call is cancelled."""
    call = current_call()
    return nullcontext() if call is None else call.interruptible(partial(setattr, options, "terminate", True))
