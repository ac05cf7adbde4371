"""OpenVINO: the graph is simplified once; its weights are in a file beside it, memory-mapped at run time.

The engine is OpenVINO's own format (IR): `model.xml` with the graph and the tensor names of the ports, `model.bin` with
the weights. OpenVINO also opens ONNX files, of equal size; IR opens a third faster (true-size UNet: 4.0 s, not 6.1 s).

The engine computes in the graph's own types, as `latentlink.engine.precision` wrote them, so that the arithmetic of the
step and the timestep stay float32 in a bfloat16 engine. OpenVINO's hint for bfloat16 would lower these too.

In an int8 graph that hint lowers everything except the products, and the nodes that it would harm are marked: explicit
casts around every product would take as much time as bfloat16 saves.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from latentlink.engine.builders.disk import check_disk
from latentlink.engine.builders.job import Job
from latentlink.engine.bundle import Arrays, Fact, RunEngine
from latentlink.engine.passes.openvino_passes import PASSES, angles, keep_types
from latentlink.engine.targets import TARGETS
from latentlink.engine.targets.openvino_engine import LOWERED_KEY, OpenVinoEngine
from latentlink.engine.targets.openvino_module import openvino, tensor_names
from latentlink.errors import BuildError, BundleError


def build_engine(job: Job) -> Mapping[str, Fact]:
    """Simplify `job.source` and write it to `job.out`, its weights to `model.bin` beside it.

    Returns:
        Facts for the fingerprint.

    Raises:
        PreflightError: OpenVINO is not installed.
        BuildError: It cannot build the graph.
        OSError: The disk is full.
    """
    ov = openvino()
    try:
        core = ov.Core()
        model = core.read_model(job.source)
        _fix(ov, model, job)
        # the first passes of OpenVINO's compiler, which do not depend on the processor
        simplify = import_module("openvino._offline_transformations").apply_moc_transformations
        simplify(model, cf=True)
        for change in PASSES:
            change(model)
        simplify(model, cf=True)
        _rename(model, job)
        lowered = job.precision in TARGETS[job.target].mixed
        if lowered:
            model.set_rt_info("bf16", [*LOWERED_KEY])
        ov.save_model(model, job.out, compress_to_fp16=False)
        if lowered:
            keep_types(job.out, {node.get_friendly_name() for node in angles(model)})
        # OpenVINO does not report a disk that is full after writing; reading back does
        names = _names(core.read_model(job.out))
    except Exception as error:  # a C++ library raises any type
        check_disk(job.out)
        raise BuildError(
            f"OpenVINO {ov.__version__} cannot build {job.component}: {' '.join(str(error).split())}",
            remedy="Export it again with this version of latentlink, or leave this target out.",
        ) from None
    ports = [port.tensor for port in (*job.inputs, *job.outputs)]
    if names != ports:
        raise BuildError(
            f"The engine built of {job.component} has the tensors {names}; expected {ports}.",
            remedy="It is a fault of the builder: report it.",
        )
    return {"format": "IR 11"}


def _fix(ov: Any, model: Any, job: Job) -> None:
    """Set the free dimensions of the inputs that are fixed in this engine."""
    if not job.fixed:
        return
    shapes = {}
    for port in job.inputs:
        shapes[port.tensor] = ov.PartialShape(
            [dim if isinstance(dim, int) else job.fixed.get(dim, -1) for dim in port.shape]
        )
    model.reshape(shapes)


def _rename(model: Any, job: Job) -> None:
    """Number the nodes, so that equal builds give equal bytes: OpenVINO's own names count all nodes of the process."""
    _number(model, "")
    # after simplification a tensor may also have the names of the tensors that it replaces
    for ports, found in ((job.inputs, model.inputs), (job.outputs, model.outputs)):
        for port, value in zip(ports, found, strict=True):
            if port.tensor not in value.get_names():
                raise ValueError(f"the graph has {sorted(value.get_names())} where {port.tensor} is expected")
            value.get_tensor().set_names({port.tensor})


def _number(model: Any, prefix: str) -> None:
    """Number the nodes of a graph, and of the graphs that it chooses between, whose tensors need no names."""
    for number, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"{prefix}{number}")
        if node.get_type_name() == "If":
            for way, body in (("then", node.get_then_body()), ("else", node.get_else_body())):
                _number(body, f"{prefix}{number}.{way}.")
                for value in (*body.inputs, *body.outputs):
                    value.get_tensor().set_names(set())


def _names(model: Any) -> list[str]:
    return [value.get_any_name() for value in (*model.inputs, *model.outputs)]


def open_engine(path: Path) -> RunEngine:
    """Open an engine as the runtime does, to run its probes.

    Raises:
        PreflightError: OpenVINO is not installed.
        BundleError: It cannot open or run the engine.
    """
    ov = openvino()
    title = f"{path.parent.parent.name}/{path.parent.name}"
    try:
        engine = OpenVinoEngine(path, None)
    except Exception as error:
        raise BundleError(f"OpenVINO cannot open {title}: {' '.join(str(error).split())}") from None
    names = [tensor_names(value)[0] for value in engine.outputs]

    def run(inputs: Arrays) -> Arrays:
        try:
            compiled = engine.compile_for({name: array.shape for name, array in inputs.items()})
            request = compiled.request
            for name, array in inputs.items():
                request.set_tensor(name, ov.Tensor(array))
            compiled.infer()
            return {name: request.get_tensor(name).data.copy() for name in names}
        except Exception as error:
            raise BundleError(f"OpenVINO cannot run {title}: {' '.join(str(error).split())}") from None

    return run
