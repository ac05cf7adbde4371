"""ONNX Runtime's TensorRT providers: a graph compiled to an EPContext model with the engine's file beside it.

https://onnxruntime.ai/docs/execution-providers/EP-Context-Design.html
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnxruntime as ort

from latentlink.engine.builders.gpu_kinds import capabilities, least_cuda
from latentlink.engine.builders.job import Job
from latentlink.engine.bundle import Fact
from latentlink.engine.targets.ort_providers import attach, open_inference
from latentlink.errors import BuildError, PreflightError
from latentlink.files import atomic_file
from latentlink.ports import Port
from latentlink.processors import processors

CONTEXT = "EPContext"

TF32 = "NVIDIA_TF32_OVERRIDE"
"""Variable that keeps NVIDIA's libraries from computing float32 in TF32, if it is 0."""


def build_engine(job: Job) -> Mapping[str, Fact]:
    """Compile `job.source` and write the model to `job.out`, its engine to `model.engine` beside it.

    Returns:
        Facts for the fingerprint.

    Raises:
        PreflightError: The provider, one of its libraries, or the GPU is missing.
        BuildError: The provider cannot compile the graph, or only a part of it.
    """
    kinds = capabilities(job)
    job.on_phase("compiling", 0.0)
    with _timing_cache(job, kinds) as cache_options, _without_tf32():
        try:
            COMPILERS[job.target](job, {**OPTIONS[job.target], **profile_options(job), **cache_options})
        except PreflightError:
            raise
        except Exception as error:  # onnxruntime has an own exception class for every status
            raise _failed(job, " ".join(str(error).split())) from None
        if not job.out.is_file():
            raise _failed(job, "it wrote no model")
        engines = _finish(job)
    return {"compute_capability": tuple(kinds), "cuda": least_cuda(job), "engines": engines}


OPTIONS: Mapping[str, Mapping[str, str]] = {
    "ort-tensorrt": {"trt_load_user_initializer": "1"},
    "ort-nv-rtx": {"nv_use_external_data_initializer": "1"},
}
"""By target, how TensorRT gets weights: by their addresses, as a graph that contains them can have 2 GB at most."""

WEAKLY_TYPED: Mapping[str, Mapping[str, str]] = {
    # it keeps the statistics of layer normalisation in float32
    "float16": {"trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1"},
    "bfloat16": {"trt_bf16_enable": "1", "trt_layer_norm_fp32_fallback": "1"},
    "int8": {"trt_int8_enable": "1"},
}
"""Options of TensorRT's provider by precision. Its networks are not strongly typed (`createNetworkV2(0)` in the library
of onnxruntime-gpu 1.31.1): TensorRT takes a type narrower than float32 only if it is allowed."""

PREFIXES: Mapping[str, str] = {"ort-tensorrt": "trt", "ort-nv-rtx": "nv"}
"""Prefix of the names of a provider's options, by target."""


def profile_options(job: Job) -> dict[str, str]:
    """Sizes of every input with free dimensions, in the provider's syntax: `input:1x4x64x64,other:1x77`."""
    free = [port for port in job.inputs if any(isinstance(dim, str) for dim in port.shape)]
    if not free:
        return {}
    prefix = PREFIXES[job.target]
    return {
        f"{prefix}_profile_{which}_shapes": ",".join(_sizes(port, job, number) for port in free)
        for number, which in enumerate(("min", "opt", "max"))
    }


def _sizes(port: Port, job: Job, number: int) -> str:
    sizes = (job.limits[dim][number] if isinstance(dim, str) else dim for dim in port.shape)
    return f"{port.tensor}:{'x'.join(map(str, sizes))}"


def _by_opening(job: Job, extra: Mapping[str, str]) -> None:
    """TensorRT's provider writes the model while it opens a session."""
    options = {
        "trt_dump_ep_context_model": "1",
        "trt_ep_context_file_path": str(job.out),
        "trt_ep_context_embed_mode": "0",
        "trt_engine_cache_enable": "1",  # the engine's file is beside the model
        **WEAKLY_TYPED.get(job.precision, {}),
    }
    open_inference(job.source, _session_options(), job.target, {**options, **extra})


def _by_compiler(job: Job, extra: Mapping[str, str]) -> None:
    """A plug-in compiles without a session."""
    options = _session_options()
    attach(options, job.target, extra)
    compiler = ort.ModelCompiler(
        options,
        job.source,
        embed_compiled_data_into_model=False,
        flags=ort.OrtCompileApiFlags.ERROR_IF_NO_NODES_COMPILED,
    )
    compiler.compile_to_file(str(job.out))


COMPILERS: Mapping[str, Callable[[Job, Mapping[str, str]], None]] = {
    "ort-tensorrt": _by_opening,
    "ort-nv-rtx": _by_compiler,
}
"""How the provider of each target compiles."""


def _session_options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = processors()
    # TensorRT does its own optimisations, and has none of ONNX Runtime's own operators.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Float32 means float32. The providers have no option for it; TensorRT reads this variable when it compiles."""
    before = os.environ.get(TF32)
    os.environ[TF32] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[TF32]
        else:
            os.environ[TF32] = before


@contextmanager
def _timing_cache(job: Job, kinds: Sequence[str]) -> Iterator[dict[str, str]]:
    """The provider's options for the timing cache; what this build adds to it is stored.

    The provider takes a directory, where it gives the file a name for each compute capability.
    """
    cache = job.options.timing_cache
    if cache is None:
        yield {}
        return
    file = job.out.parent / f"TensorrtExecutionProvider_cache_sm{kinds[0].replace('.', '')}.timing"
    if cache.is_file():
        shutil.copyfile(cache, file)
    yield {"trt_timing_cache_enable": "1", "trt_timing_cache_path": str(job.out.parent)}
    if file.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(cache) as part:
            shutil.move(file, part)


def _finish(job: Job) -> int:
    """Rename the engines, delete all other files beside the model, and check that the engines are the whole graph.

    Returns:
        The number of engines.

    Raises:
        BuildError: They are not.
    """
    import onnx_ir as ir

    folder = job.out.parent
    model = ir.load(job.out)
    nodes = list(model.graph)
    contexts = [node for node in nodes if node.op_type == CONTEXT]
    ports = [value.name for value in (*model.graph.inputs, *model.graph.outputs)]
    expected = [port.tensor for port in (*job.inputs, *job.outputs)]
    if sorted(map(str, ports)) != sorted(expected) or len(contexts) != len(nodes):
        left = ", ".join(sorted({node.op_type for node in nodes if node.op_type != CONTEXT}))
        raise _failed(job, f"it leaves out a part of the graph ({left or 'another part is what it wrote'})")
    files = {job.out}
    for number, node in enumerate(contexts):
        written = folder / node.attributes["ep_cache_context"].as_string()
        if written.parent != folder or not written.is_file():
            raise _failed(job, f"it names an engine that is not there, {written.name!r}")
        engine = folder / ("model.engine" if number == 0 else f"model.{number}.engine")
        written.rename(engine)
        node.attributes["ep_cache_context"] = ir.AttrString("ep_cache_context", engine.name)
        node.attributes.pop("onnx_model_filename", None)  # the graph's name, which only a refit needs
        files.add(engine)
    ir.save(model, job.out)
    for path in folder.iterdir():
        if path not in files and path.is_file() and path.suffix != ".timing":
            path.unlink()
    return len(contexts)


def _failed(job: Job, why: str) -> BuildError:
    return BuildError(
        f"ONNX Runtime {ort.__version__} cannot compile {job.component} for {job.target}: {why.rstrip('.')}.",
        remedy="Build it for tensorrt or ort-cuda, or for smaller sizes; if it should work, report it.",
    )
