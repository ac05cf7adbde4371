"""An ONNX Runtime engine, open on its provider: its ports, and the meaning of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from latentlink.engine.targets.ort_providers import PROVIDERS, RECORD, open_inference, placement
from latentlink.errors import BundleError, PreflightError
from latentlink.ports import Port
from latentlink.processors import processors
from latentlink.runtime.sessions.readback import engine_title, read_port

TYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}

NO_MEMORY = ("Failed to allocate memory", "out of memory")
"""Words in errors of ONNX Runtime's arenas and of CUDA when memory is exhausted."""

NO_GRAPHS = "graph capture"
"""Words in ONNX Runtime's error when it cannot capture an engine."""


class OrtEngine:
    """An engine as ONNX Runtime knows it. `inputs` and `outputs` are read back from it.

    Args:
        path: The engine's file.
        target: A key of `PROVIDERS`.
        threads: Threads for one run on the CPU; None uses `processors()`.
        low_memory: Whether to save memory rather than speed up later runs of the same size.
        stream: The CUDA stream to run on; None on the CPU.
        graphs: Whether to capture runs as CUDA graphs, if the provider can capture this engine.

    Raises:
        PreflightError: The provider, one of its libraries, or the GPU is missing.
        BundleError: It is not an engine, or a tensor is not what its name says.
        MemoryError: There is not enough memory for it.
    """

    def __init__(
        self,
        path: Path,
        target: str,
        threads: int | None,
        low_memory: bool,
        *,
        stream: int | None = None,
        graphs: bool = False,
    ) -> None:
        self.title = engine_title(path)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # One operator at a time on all threads: the graphs are chains, so a second pool would only compete.
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = threads or processors()
        # With memory patterns, the second run of a size allocates all its memory once more, in one piece.
        options.enable_mem_pattern = not low_memory
        # Threads that spin after a run would take CPU time from the rest of the process.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry(*RECORD)
        # The graph was optimised when it was built, except for the layout, which depends on this processor and is
        # done here.
        placed = {} if stream is None else {"has_user_compute_stream": "1", "user_compute_stream": str(stream)}
        capture = PROVIDERS[target].graphs if graphs else {}
        try:
            try:
                session = open_inference(path, options, target, {**placed, **capture})
            except Exception as error:
                if not capture or NO_GRAPHS not in str(error):
                    raise
                capture = {}  # a part of it runs on the CPU
                session = open_inference(path, options, target, placed)
        except PreflightError:
            raise
        except Exception as error:  # onnxruntime raises a class of its own for every status
            raise self.failure(error, "cannot be opened by ONNX Runtime") from None
        self.session: Any = session
        self.graphs = bool(capture)
        """Whether runs can be captured."""
        self.inputs = tuple(_port(arg, path) for arg in session.get_inputs())
        self.outputs = tuple(_port(arg, path) for arg in session.get_outputs())
        self.placement: Mapping[str, int] = placement(session)
        """Number of nodes by provider."""

    def failure(self, error: Exception, how: str = "failed") -> Exception:
        """The error that stands for one of ONNX Runtime's."""
        if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            return MemoryError(str(error))
        return BundleError(
            f"The engine {self.title} {how}: {' '.join(str(error).split())}",
            remedy="Build the bundle again: latentlink build EXPORTED BUNDLE.",
        )

    def close(self) -> None:
        """Release the engine's memory."""
        self.session = None


def _port(arg: Any, path: Path) -> Port:
    """The port of one of the engine's own tensors."""
    return read_port(path, arg.name, arg.shape, dtype=TYPES.get(arg.type), described=arg.type)
