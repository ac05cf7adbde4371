"""OpenVINO sessions on the CPU: runs read and write preallocated tensors, without copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.targets.openvino_engine import OpenVinoEngine
from latentlink.engine.targets.openvino_module import TYPES, is_out_of_memory, openvino, tensor_names
from latentlink.errors import BundleError, PreflightError, UsageError
from latentlink.ports import Dim, Port
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.failures import by_the_caller
from latentlink.runtime.sessions.host_session import HostSession
from latentlink.runtime.sessions.readback import engine_title, read_port


def open_session(path: Path, target: str, threads: int | None, low_memory: bool) -> Session:
    """Open an engine file; see `latentlink.runtime.sessions.open_session`."""
    return OpenVinoSession(path, threads, low_memory)


class OpenVinoBuffer:
    """A tensor in OpenVINO's own memory."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def numpy(self) -> NDArray[Any]:
        """A view of the tensor's memory, which stays valid as long as the view."""
        return cast(NDArray[Any], self.tensor.data)


class OpenVinoSession(HostSession):
    """An OpenVINO engine with its state in OpenVINO tensors. `inputs` and `outputs` are read back from it.

    Args:
        path: The engine's `model.xml`.
        threads: Threads for one run; None uses one for each core that this process may use.
        low_memory: Whether to compile once for all sizes, and not for the sizes of each run.

    Raises:
        PreflightError: OpenVINO is not installed.
        BundleError: It is not an engine, or a tensor is not what its name says.
        MemoryError: There is not enough memory for it.
    """

    def __init__(self, path: Path, threads: int | None, low_memory: bool = False) -> None:
        self._ov = openvino()
        super().__init__(engine_title(path))
        try:
            self._engine: OpenVinoEngine | None = OpenVinoEngine(path, threads, low_memory=low_memory)
        except PreflightError:
            raise
        except Exception as error:  # whatever a C++ library raises
            raise self._failure(error, "cannot be opened by OpenVINO") from None
        self.inputs = tuple(self._port(value, path) for value in self._engine.inputs)
        self.outputs = tuple(self._port(value, path) for value in self._engine.outputs)
        self._shapes = {port.tensor: port.shape for port in self.inputs}

    def _port(self, value: Any, path: Path) -> Port:
        """The port of one of the engine's own tensors, whose free dimensions have no names."""
        names = tensor_names(value)
        if len(names) != 1:
            raise BundleError(
                f"A tensor of the engine {self._title} carries the symbols {', '.join(names)}; expected one.",
                remedy="Build the bundle again: latentlink build EXPORTED BUNDLE.",
            )
        sizes = enumerate(value.get_partial_shape())
        shape: list[Dim] = [size.get_length() if size.is_static else f"d{axis}" for axis, size in sizes]
        found = value.get_element_type().get_type_name()
        return read_port(path, names[0], shape, dtype=TYPES.get(found), described=found)

    def placement(self) -> Mapping[str, int]:
        """Empty: the engine is not split into nodes."""
        return {}

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """A buffer of that shape with any values."""
        try:
            return OpenVinoBuffer(self._ov.Tensor(self._ov.Type(dtype), self._ov.Shape(list(shape))))
        except Exception as error:
            raise self._failure(error, f"gets no buffer of {list(shape)}") from None

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Replace the buffer's values."""
        buffer.numpy()[...] = array

    def take(self, buffer: Buffer) -> Buffer:
        """Another session's buffer, copied if it is not OpenVINO's."""
        return buffer if isinstance(buffer, OpenVinoBuffer) else self.upload(buffer.numpy())

    def _run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        assert self._engine is not None
        dtypes = {port.tensor: np.dtype(port.dtype) for port in self.outputs}
        try:
            for name, buffer in inputs.items():
                self._check_shape(name, buffer)
            compiled = self._engine.compile_for({name: buffer.numpy().shape for name, buffer in inputs.items()})
            for name, buffer in inputs.items():
                compiled.request.set_tensor(name, cast(OpenVinoBuffer, buffer).tensor)
            written = {
                name: self.empty(compiled.initial_shape(name), dtypes[name]) if buffer is None else buffer
                for name, buffer in outputs.items()
            }
            for name, buffer in written.items():
                compiled.request.set_tensor(name, cast(OpenVinoBuffer, buffer).tensor)
            with CLOCK.running():
                compiled.infer()
        except UsageError:
            raise
        except Exception as error:
            if by_the_caller(error):
                raise
            raise self._failure(error, "failed") from None
        return written

    def _check_shape(self, name: str, buffer: Buffer) -> None:
        """Refuse a shape that the engine was not built for."""
        expected, found = self._shapes[name], buffer.numpy().shape
        fits = len(found) == len(expected) and all(
            isinstance(a, str) or a == b for a, b in zip(expected, found, strict=True)
        )
        if not fits:
            wanted = ", ".join(str(dim) if isinstance(dim, int) else "any" for dim in expected)
            raise UsageError(
                f"The engine {self._title} was built for {name} of shape [{wanted}], but received {list(found)}.",
                remedy="Use a size it was built for, or build the bundle for this one: latentlink build EXPORTED "
                "BUNDLE --width --height --batch.",
            )

    def _failure(self, error: Exception, how: str) -> Exception:
        """The error that stands for one of OpenVINO's."""
        if is_out_of_memory(error):
            return MemoryError(str(error))
        return BundleError(
            f"The engine {self._title} {how}: {' '.join(str(error).split())}",
            remedy="Build the bundle again: latentlink build EXPORTED BUNDLE.",
        )

    def trim(self) -> None:
        """Drop the kernels that were compiled for the sizes of earlier runs, and their copies of the weights."""
        with self._turn:
            if self._engine is not None:
                self._engine.trim()

    def _release(self) -> None:
        self._engine = None
