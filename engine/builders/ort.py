"""ONNX Runtime: the graph is optimised once; its weights are in a file beside it, memory-mapped at run time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlink.engine.builders.disk import check_disk
from latentlink.engine.builders.job import Job
from latentlink.engine.bundle import Arrays, Fact, RunEngine
from latentlink.engine.targets import TARGETS
from latentlink.engine.targets.ort_release import least_release
from latentlink.errors import BuildError, BundleError
from latentlink.processors import processors

if TYPE_CHECKING:
    import onnx_ir as ir

# Extended fusions are valid on every processor. The layout optimisations above them depend on the width of the vector
# unit, so that they are done when the engine is opened.
LEVEL = "extended"


def build_engine(job: Job) -> Mapping[str, Fact]:
    """Optimise `job.source` and write it to `job.out`, its weights to `job.out` + `.data`.

    For a GPU only attention is fused, and rows are selected without host tensors: all other optimisations depend on the
    provider, and are done when the engine is opened.

    Returns:
        Facts for the fingerprint.

    Raises:
        BuildError: ONNX Runtime cannot build the graph.
        OSError: The disk is full.
    """
    import onnx_ir as ir

    from latentlink.engine.passes.fuse_attention import fuse_attention
    from latentlink.engine.passes.slice_rows import slice_rows
    from latentlink.engine.passes.unsigned_codes import unsigned_codes

    model = ir.load(job.source)
    fused = fuse_attention(model)
    if TARGETS[job.target].gpu:
        slice_rows(model)
        _fix(model, job.fixed)
        ir.save(model, job.out, external_data=f"{job.out.name}.data")
        return {"optimisation": "none", "fused_attention": fused, "runtime": _needed(job)}
    unsigned_codes(model)
    _optimise(model, job)
    return {"optimisation": LEVEL, "fused_attention": fused, "runtime": _needed(job)}


def _needed(job: Job) -> tuple[str, ...]:
    """The package that opens the engine, with the least release."""
    return (f"{TARGETS[job.target].packages[0].title} {least_release(job.out)}",)


def _fix(model: ir.Model, fixed: Mapping[str, int]) -> None:
    """Set the free dimensions of the ports that are fixed in this engine."""
    import onnx_ir as ir

    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None:
            value.shape = ir.Shape(
                [dim if isinstance(dim, int) else fixed.get(str(dim.value), dim) for dim in value.shape]
            )


def _optimise(model: ir.Model, job: Job) -> None:
    """Let ONNX Runtime optimise and write the graph, and read it back."""
    import onnx_ir as ir
    import onnxruntime as ort

    graph = ir.to_proto(model).SerializeToString()  # the weights stay in their file
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = processors()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(job.out)
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", f"{job.out.name}.data")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    # Packing for this processor's kernels is not wanted in the file, nor its memory now.
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(job.source.parent))
    for dim, size in job.fixed.items():
        options.add_free_dimension_override_by_name(dim, size)
    try:
        ports = _ports(ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"]))
        # ONNX Runtime does not report a disk that is full after writing; reading back does.
        read_back = _ports(_reopen(job.out))
    except Exception as error:  # onnxruntime has an own exception class for every status
        check_disk(job.out)
        raise BuildError(
            f"ONNX Runtime {ort.__version__} cannot build {job.component}: {error}",
            remedy="Export it again with this version of latentlink.",
        ) from None
    if read_back != ports:
        raise BuildError(
            f"The engine built of {job.component} has the tensors {read_back}; expected {ports}.",
            remedy="It is a fault of the builder: report it.",
        )


def open_engine(path: Path) -> RunEngine:
    """Open an ONNX file as the runtime does, to run its probes.

    Raises:
        BundleError: ONNX Runtime cannot open or run it.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = processors()
    options.enable_cpu_mem_arena = False  # it is open for minutes only
    options.add_session_config_entry("session.force_spinning_stop", "1")
    failures = "ONNX Runtime cannot {} {}: {}"
    title = f"{path.parent.parent.name}/{path.parent.name}"
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an own exception class for every status
        raise BundleError(failures.format("open", title, error)) from None
    names = [value.name for value in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        try:
            return dict(zip(names, session.run(None, dict(inputs)), strict=True))
        except Exception as error:
            raise BundleError(failures.format("run", title, error)) from None

    return run


def _reopen(path: Path) -> Any:
    """Open a session on a built engine as cheaply as possible."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = processors()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _ports(session: Any) -> list[tuple[str, str]]:
    return [(value.name, value.type) for value in (*session.get_inputs(), *session.get_outputs())]
