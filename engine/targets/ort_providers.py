"""The table of ONNX Runtime's providers by target. A missing provider is an error, never replaced by another one."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import onnxruntime as ort

from latentlink.engine.targets.machine import library_file, this_machine
from latentlink.engine.targets.table import REFERENCE_TARGET, TARGETS
from latentlink.errors import PreflightError

CPU = "CPUExecutionProvider"
"""The provider that runs the nodes which a GPU provider does not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    Args:
        name: ONNX Runtime's name of it.
        gpu: Whether it runs, and holds tensors, on an NVIDIA GPU.
        options: Provider options of every session.
        graphs: Options with which it captures runs as CUDA graphs; empty if it does not.
        library: Its file beside ONNX Runtime's own; empty if it is built in or a plug-in.
        loads: Libraries to load before, from where `library_file` finds them.
        plugin: Module of the package that brings it, if it is a plug-in.
    """

    name: str
    gpu: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    graphs: Mapping[str, str] = field(default_factory=dict)
    library: str = ""
    loads: tuple[str, ...] = ()
    plugin: str = ""


PROVIDERS: Mapping[str, Provider] = {
    "ort-cpu": Provider(name=CPU),
    "ort-cuda": Provider(
        name="CUDAExecutionProvider",
        gpu=True,
        # float32 means float32: an engine that has to be fast is built in half precision. The arena grows by the
        # requested size, not to the next power of two.
        options={"device_id": "0", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"},
        graphs={"enable_cuda_graph": "1"},
        library="libonnxruntime_providers_cuda.so",
    ),
    "ort-tensorrt": Provider(
        name="TensorrtExecutionProvider",
        gpu=True,
        options={"device_id": "0"},
        # It could capture, but keeps one graph for a session, which it replays for runs of other shapes too: it does
        # not read `gpu_graph_id`.
        library="libonnxruntime_providers_tensorrt.so",
        loads=("libnvinfer.so.10", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10"),
    ),
    "ort-nv-rtx": Provider(name="NvTensorRTRTXExecutionProvider", gpu=True, plugin="onnxruntime_ep_nv_tensorrt_rtx"),
}
"""Provider by target."""


def attach(
    options: Any, target: str, extra: Mapping[str, str] | None = None
) -> list[tuple[str, dict[str, str]]] | None:
    """Prepare a target's provider.

    Args:
        options: ONNX Runtime's `SessionOptions`; a plug-in is added to them.
        target: A key of `PROVIDERS`.
        extra: Further provider options.

    Returns:
        Providers for `InferenceSession`, in order; None for a plug-in, which is added to the session options.

    Raises:
        PreflightError: The provider, one of its libraries, or the GPU is missing.
    """
    provider = PROVIDERS[target]
    if provider.gpu and not this_machine().gpus:
        raise PreflightError(
            f"The target {target} runs on an NVIDIA GPU, and this machine has no CUDA device.",
            remedy=f"Run it on a machine that has one, or build the bundle for {REFERENCE_TARGET}.",
        )
    chosen = {**provider.options, **(extra or {})}
    if provider.plugin:
        options.add_provider_for_devices([_plugin_device(target, provider)], chosen)
        return None
    _check_built_in(target, provider)
    return [(provider.name, chosen)] + ([(CPU, {})] if provider.gpu else [])


def open_inference(source: Path | bytes, options: Any, target: str, extra: Mapping[str, str] | None = None) -> Any:
    """Open a graph on a target's provider; nodes that it does not take run on the CPU.

    Args:
        source: ONNX file, or its bytes.
        options: As for `attach`.
        target: A key of `PROVIDERS`.
        extra: Further provider options.

    Returns:
        ONNX Runtime's `InferenceSession`.

    Raises:
        PreflightError: As for `attach`; ONNX Runtime itself would use the CPU instead.
        Exception: One of ONNX Runtime's own, if it cannot open the graph.
    """
    providers = attach(options, target, extra)
    provider = PROVIDERS[target]
    try:
        # Its own fall-back would print a message, and use the CPU.
        session = ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception:
        if why := _load_error(provider):
            raise _unusable(target, provider, why) from None
        raise
    if session.get_providers()[0] != provider.name:
        raise _unusable(target, provider, _load_error(provider) or "ONNX Runtime does not say why")
    return session


def placement(session: Any) -> dict[str, int]:
    """The number of nodes that a session runs on each provider.

    Args:
        session: Session of ONNX Runtime, opened with `RECORD`.
    """
    nodes: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] = nodes.get(part.ep_name, 0) + len(part.get_nodes())
    return nodes


RECORD = ("session.record_ep_graph_assignment_info", "1")
"""Configuration entry of a session that `placement` needs."""


def _check_built_in(target: str, provider: Provider) -> None:
    """Refuse a provider that this onnxruntime was built without; load the libraries that the others need."""
    available = ort.get_available_providers()
    if provider.name not in available:
        raise PreflightError(
            f"The target {target} needs {provider.name}, but this onnxruntime {ort.__version__} has "
            f"{', '.join(available)}.",
            remedy=f"Install the package that has it: {TARGETS[target].packages[0].install}; or build the bundle for "
            "another target.",
        )
    for name in provider.loads:
        with suppress(OSError):  # what is missing is reported when the provider is loaded
            if (path := library_file(name)) is not None:
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    if provider.library:
        with redirect_stdout(io.StringIO()):  # it prints the libraries that it does not find, needed or not
            ort.preload_dlls()


def _plugin_device(target: str, provider: Provider) -> Any:
    """The first device of a plug-in, which is registered if necessary."""
    package = TARGETS[target].packages[-1]
    try:
        module = import_module(provider.plugin)
    except ModuleNotFoundError:
        raise PreflightError(
            f"The target {target} needs {package.title}, but it is not installed.",
            remedy=f"Install it: {package.install}.",
        ) from None
    except (ImportError, OSError) as error:
        raise _unusable(target, provider, str(error)) from None
    try:
        ort.register_execution_provider_library(provider.name, module.get_library_path())
    except Exception as error:  # onnxruntime has an own exception class for every status
        if "already registered" not in str(error):
            raise _unusable(target, provider, str(error)) from None
    for device in ort.get_ep_devices():
        if device.ep_name == provider.name:
            return device
    raise PreflightError(
        f"The target {target} needs a GPU that {provider.name} takes, and it takes none of this machine's "
        f"({', '.join(gpu.name for gpu in this_machine().gpus)}).",
        remedy="Run it on an RTX GPU, of compute capability 8.6, 8.9, or 12.0 and later; or build the bundle for "
        "tensorrt-rtx or ort-cuda.",
    )


def _load_error(provider: Provider) -> str:
    """Why a provider's library cannot be loaded; empty if it can.

    Call it only after ONNX Runtime's own attempt: the library must not be loaded before ONNX Runtime has prepared it.
    """
    if not provider.library:
        return ""
    try:
        ctypes.CDLL(str(Path(ort.__file__).parent / "capi" / provider.library))
    except OSError as error:
        return str(error)
    return ""


def _unusable(target: str, provider: Provider, why: str) -> PreflightError:
    return PreflightError(
        f"The target {target} needs {provider.name}, which cannot be used here: {' '.join(why.split())}.",
        remedy=f"Install what it needs: {'; '.join(package.install for package in TARGETS[target].packages)}. Or build "
        "the bundle for another target.",
    )
