"""ONNX Runtime's provider of each target: reached by name or as a plug-in, and never another one in its place."""

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

from latentlink.engine.targets.machine import this_machine
from latentlink.engine.targets.table import TARGETS
from latentlink.errors import PreflightError

CPU = "CPUExecutionProvider"
"""Takes what a provider does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    Args:
        name: As ONNX Runtime calls it.
        gpu: Whether it runs, and keeps tensors, on an NVIDIA GPU.
        options: For every session.
        graphs: Those with which it captures runs as CUDA graphs; none where it does not.
        library: Its file beside ONNX Runtime's own; empty where it is built in or a plug-in.
        imports: Modules that load the libraries which it needs.
        plugin: Module of the package that brings it, where it is a plug-in.
    """

    name: str
    gpu: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    graphs: Mapping[str, str] = field(default_factory=dict)
    library: str = ""
    imports: tuple[str, ...] = ()
    plugin: str = ""


PROVIDERS: Mapping[str, Provider] = {
    "ort-cpu": Provider(name=CPU),
    "ort-cuda": Provider(
        name="CUDAExecutionProvider",
        gpu=True,
        # float32 means float32: what is to be fast is built in half precision. The arena grows by what is asked for and
        # not to the next power of two.
        options={"device_id": "0", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"},
        graphs={"enable_cuda_graph": "1"},
        library="libonnxruntime_providers_cuda.so",
    ),
    "ort-tensorrt": Provider(
        name="TensorrtExecutionProvider",
        gpu=True,
        options={"device_id": "0"},
        graphs={"trt_cuda_graph_enable": "1"},
        library="libonnxruntime_providers_tensorrt.so",
        imports=("tensorrt",),
    ),
    "ort-nv-rtx": Provider(name="NvTensorRTRTXExecutionProvider", gpu=True, plugin="onnxruntime_ep_nv_tensorrt_rtx"),
}
"""By target."""


def attach(
    options: Any, target: str, extra: Mapping[str, str] | None = None
) -> list[tuple[str, dict[str, str]]] | None:
    """Make a target's provider ready.

    Args:
        options: ONNX Runtime's `SessionOptions`; a plug-in is added to them.
        target: A key of `PROVIDERS`.
        extra: Options of the provider beside its own.

    Returns:
        Providers for `InferenceSession`, in order; None where the session's options say it.

    Raises:
        PreflightError: The provider, what it needs, or the GPU is not here.
    """
    provider = PROVIDERS[target]
    if provider.gpu and not this_machine().gpus:
        raise PreflightError(
            f"The target {target} runs on an NVIDIA GPU, and this machine has no CUDA device.",
            remedy="Run it on a machine that has one, or build the bundle for ort-cpu.",
        )
    chosen = {**provider.options, **(extra or {})}
    if provider.plugin:
        options.add_provider_for_devices([_plugin_device(target, provider)], chosen)
        return None
    _check_built_in(target, provider)
    return [(provider.name, chosen)] + ([(CPU, {})] if provider.gpu else [])


def open_inference(source: Path | bytes, options: Any, target: str, extra: Mapping[str, str] | None = None) -> Any:
    """Open a graph on a target's provider, and on the CPU what that does not take.

    Args:
        source: ONNX file, or its bytes.
        options: As in `attach`, as the following.
        target: A key of `PROVIDERS`.
        extra: Options of the provider beside its own.

    Returns:
        ONNX Runtime's `InferenceSession`.

    Raises:
        PreflightError: As in `attach`; ONNX Runtime would take the CPU instead.
        Exception: ONNX Runtime's own, where it does not take the graph.
    """
    providers = attach(options, target, extra)
    provider = PROVIDERS[target]
    try:
        # Its own fall-back prints, and takes the CPU.
        session = ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception:
        if why := _unloadable(provider):
            raise _refused(target, provider, why) from None
        raise
    if session.get_providers()[0] != provider.name:
        raise _refused(target, provider, _unloadable(provider) or "ONNX Runtime does not say why")
    return session


def placement(session: Any) -> dict[str, int]:
    """How many of its nodes a session runs on which provider.

    Args:
        session: Of ONNX Runtime, opened with `RECORD`.
    """
    nodes: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] = nodes.get(part.ep_name, 0) + len(part.get_nodes())
    return nodes


RECORD = ("session.record_ep_graph_assignment_info", "1")
"""Entry of a session's configuration."""


def _check_built_in(target: str, provider: Provider) -> None:
    """Refuse a provider that this onnxruntime was built without; load what the others need."""
    available = ort.get_available_providers()
    if provider.name not in available:
        raise PreflightError(
            f"The target {target} needs {provider.name}, but this onnxruntime {ort.__version__} has "
            f"{', '.join(available)}.",
            remedy=f"Install the package that has it: {TARGETS[target].packages[0].install}; or build the bundle for "
            "another target.",
        )
    for name in provider.imports:
        with suppress(ImportError, OSError):  # what is missing is told when the provider is loaded
            import_module(name)
    if provider.library:
        with redirect_stdout(io.StringIO()):  # it prints what it does not find; the provider may not need it
            ort.preload_dlls()


def _plugin_device(target: str, provider: Provider) -> Any:
    """The first device of a plug-in, which is registered if it is not."""
    package = TARGETS[target].packages[-1]
    try:
        module = import_module(provider.plugin)
    except ModuleNotFoundError:
        raise PreflightError(
            f"The target {target} needs {package.title}, but it is not installed.",
            remedy=f"Install it: {package.install}.",
        ) from None
    except (ImportError, OSError) as error:
        raise _refused(target, provider, str(error)) from None
    try:
        ort.register_execution_provider_library(provider.name, module.get_library_path())
    except Exception as error:  # onnxruntime raises a class of its own for every status
        if "already registered" not in str(error):
            raise _refused(target, provider, str(error)) from None
    for device in ort.get_ep_devices():
        if device.ep_name == provider.name:
            return device
    raise PreflightError(
        f"The target {target} needs a GPU that {provider.name} takes, and it takes none of this machine's "
        f"({', '.join(gpu.name for gpu in this_machine().gpus)}).",
        remedy="Run it on an RTX GPU, of compute capability 8.6, 8.9, or 12.0 and later; or build the bundle for "
        "tensorrt-rtx or ort-cuda.",
    )


def _unloadable(provider: Provider) -> str:
    """Why ONNX Runtime could not load a provider's library; empty where that was not the reason.

    Only after it tried: the library must not be loaded before ONNX Runtime has prepared it.
    """
    if not provider.library:
        return ""
    try:
        ctypes.CDLL(str(Path(ort.__file__).parent / "capi" / provider.library))
    except OSError as error:
        return str(error)
    return ""


def _refused(target: str, provider: Provider, why: str) -> PreflightError:
    return PreflightError(
        f"The target {target} needs {provider.name}, which cannot be used here: {' '.join(why.split())}.",
        remedy=f"Install what it needs: {'; '.join(package.install for package in TARGETS[target].packages)}. Or build "
        "the bundle for another target.",
    )
