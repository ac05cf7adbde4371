"""The `openvino` package: imported here and nowhere else. How an engine is opened, to be built and to be run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from latentlink.engine.mapped_weights import MappedWeights
from latentlink.engine.targets import OPENVINO
from latentlink.errors import PreflightError, SymbolError
from latentlink.ports import Port

TYPES: Mapping[str, str] = {"f32": "float32", "f16": "float16", "u8": "uint8", "i32": "int32", "i64": "int64"}
"""What OpenVINO calls a type, and what ports call it."""

NO_MEMORY = ("bad_alloc", "Cannot allocate memory", "out of memory")
"""Words of the C++ library, of the kernel and of oneDNN."""

HEAD = b"<?xml"


def openvino() -> Any:
    """The package.

    Raises:
        PreflightError: It is not installed, or cannot be loaded.
    """
    try:
        return import_module("openvino")
    except ImportError as error:
        raise PreflightError(
            f"The target openvino-cpu needs OpenVINO, which cannot be loaded: {error}.",
            remedy=f"Install it: {OPENVINO.install}.",
        ) from None


def compile_engine(path: Path, threads: int | None) -> tuple[Any, MappedWeights]:
    """An engine of openvino-cpu, compiled for this processor.

    Its weights are mapped, and leave memory as they are copied: what kernels keep has layouts of their own. OpenVINO's
    own mapping would stay, and a true-size denoiser would take 6.6 GiB, not 3.4.

    Args:
        path: Its `model.xml`.
        threads: Of one run; None is OpenVINO's choice: the cores that this process may use, and of the two
            hardware threads of a core one, as both would share its vector unit.

    Returns:
        The engine, and what has to be kept as long as it or a request of it is: OpenVINO does not keep it.

    Raises:
        PreflightError: OpenVINO is not here.
        OSError: It cannot be read.
        ValueError: It is no OpenVINO IR. Of a file that is none, OpenVINO would ask every reader it has.
        RuntimeError: OpenVINO does not take it.
        MemoryError: There is not enough for it.
    """
    ov = openvino()
    graph = path.read_bytes()
    if not graph.startswith(HEAD):
        raise ValueError("it is no OpenVINO IR")
    weights = MappedWeights(path.with_suffix(".bin"))
    settings: dict[str, Any] = {
        # The graph's types are what it computes in: left alone, OpenVINO takes bfloat16 for float32 where it can.
        "INFERENCE_PRECISION_HINT": "f32",
        # One run at a time over all threads; a stream more would keep its own buffers for runs that never come.
        "NUM_STREAMS": "1",
        # A pinned thread waits for its processor while another is idle: here other programs run too, and the threads
        # of other engines.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        settings |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_HYPER_THREADING": True}
    core = ov.Core()
    with weights.passing():
        model = core.read_model(graph, ov.Tensor(weights.bytes, shared_memory=True))
        return core.compile_model(model, "CPU", settings), weights


def tensor_names(value: Any) -> list[str]:
    """Names of a port of a compiled engine: its symbols where it has any, as OpenVINO adds the names of nodes that it
    took out beside it.
    """
    names = sorted(value.get_names())
    return [name for name in names if _is_symbol(name)] or names[:1]


def _is_symbol(name: str) -> bool:
    try:
        Port.parse(name)
    except SymbolError:
        return False
    return True


def is_memory(error: Exception) -> bool:
    """Whether what OpenVINO raised says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
