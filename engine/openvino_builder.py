"""OpenVINO: the graph read and simplified once, its weights beside it and memory-mapped when it runs.

The engine is OpenVINO's own format (IR): `model.xml` with the graph and the ports' tensor names, `model.bin` with the
weights. ONNX files open as well, and are as large; IR opens a third faster (true-size UNet: 4.0 s, not 6.1).

What it computes in are the graph's own types, as `latentlink.engine.precision` wrote them: so a step's arithmetic and
the timestep stay float32 in a bfloat16 engine too. OpenVINO's hint for bfloat16 would lower what it reads of them.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from latentlink.engine.job import Job
from latentlink.engine.manifest import Fact
from latentlink.engine.openvino_module import compile_engine, openvino, tensor_names
from latentlink.engine.probes import Arrays, Run
from latentlink.errors import BuildError, BundleError

SPARE = 1 << 20
"""Bytes below which a disk counts as full."""


def build_engine(job: Job) -> Mapping[str, Fact]:
    """Simplify `job.source` and write it to `job.out`, its weights to `model.bin` beside it.

    Returns:
        Facts for the fingerprint.

    Raises:
        PreflightError: OpenVINO is not here.
        BuildError: It does not take the graph.
        OSError: The disk is full.
    """
    ov = openvino()
    try:
        core = ov.Core()
        model = core.read_model(job.source)
        _fix(ov, model, job)
        # what a compiler for any processor begins with, done once
        simplify = import_module("openvino._offline_transformations").apply_moc_transformations
        simplify(model, cf=True)
        _split_sums(model)
        simplify(model, cf=True)
        _rename(model, job)
        ov.save_model(model, job.out, compress_to_fp16=False)
        # OpenVINO does not report a disk that filled up while it wrote: reading back does
        written = _names(core.read_model(job.out))
    except Exception as error:  # whatever a C++ library raises
        if shutil.disk_usage(job.out.parent).free < SPARE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.out)) from None
        raise BuildError(
            f"OpenVINO {ov.__version__} cannot build {job.component}: {' '.join(str(error).split())}",
            remedy="Export it again with this version of latentlink, or leave this target out.",
        ) from None
    ports = [port.tensor for port in (*job.inputs, *job.outputs)]
    if written != ports:
        raise BuildError(
            f"The engine built of {job.component} has the tensors {written}; expected {ports}.",
            remedy="It is a fault of the builder: report it.",
        )
    return {"format": "IR 11"}


def _fix(ov: Any, model: Any, job: Job) -> None:
    """Give the graph's inputs the sizes that free dimensions have in this engine."""
    if not job.fixed:
        return
    shapes = {}
    for port in job.inputs:
        shapes[port.tensor] = ov.PartialShape(
            [dim if isinstance(dim, int) else job.fixed.get(dim, -1) for dim in port.shape]
        )
    model.reshape(shapes)


def _split_sums(model: Any) -> None:
    """Have groups `[N, G, L]` of a picture `[N, C, H, W]` normalised as `[N * G, C / G * H, W]`: the same elements.

    Over one axis OpenVINO adds all elements of a group up in one float32, and of the million that a group of a VAE has
    the last ones lose half their digits: flat halves end 4e-4 of the largest away. Over two axes it adds every row up
    by itself and then the rows, as fast.
    """
    ops = import_module("openvino.opset13")
    for node in model.get_ordered_ops():
        flat = node.input_value(0) if node.get_type_name() == "MVN" else None
        if flat is None or flat.get_node().get_type_name() != "Reshape":
            continue
        picture = flat.get_node().input_value(0)
        axes = node.input_value(1).get_node()
        known = not flat.get_partial_shape().rank.is_dynamic and not picture.get_partial_shape().rank.is_dynamic
        if not known or axes.get_type_name() != "Constant" or axes.get_data().tolist() not in ([2], [-1]):
            continue
        (_, groups, *rest), (_, channels, *sides) = flat.get_partial_shape(), picture.get_partial_shape()
        if len(rest) != 1 or not sides or groups.is_dynamic or channels.is_dynamic:
            continue
        a_group, left = divmod(channels.get_length(), groups.get_length())
        if left:
            continue
        shape = ops.shape_of(picture)
        zero, last = np.array([0]), np.array([len(sides) + 1])
        rows = ops.constant(np.array([a_group]))
        if len(sides) > 1:
            rows = ops.multiply(rows, ops.reduce_prod(ops.slice(shape, np.array([2]), last, np.array([1])), zero, True))
        parts = [ops.constant(np.array([-1])), rows, ops.gather(shape, last, np.array(0))]
        split = ops.reshape(picture, ops.concat(parts, 0), False)
        given = node.get_attributes()
        normal = ops.mvn(split, np.array([1, 2]), given["normalize_variance"], given["eps"], given["eps_mode"].lower())
        whole = ops.reshape(normal, ops.shape_of(flat), False)
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(whole.output(0))


def _rename(model: Any, job: Job) -> None:
    """Number the nodes, whose names count all that this process ever made: equal builds are equal bytes."""
    for number, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(str(number))
    # simplifying may leave a tensor with the names of what it took the place of
    for ports, found in ((job.inputs, model.inputs), (job.outputs, model.outputs)):
        for port, value in zip(ports, found, strict=True):
            if port.tensor not in value.get_names():
                raise ValueError(f"the graph has {sorted(value.get_names())} where {port.tensor} is expected")
            value.get_tensor().set_names({port.tensor})


def _names(model: Any) -> list[str]:
    return [value.get_any_name() for value in (*model.inputs, *model.outputs)]


def open_engine(path: Path) -> Run:
    """Open an engine as the runtime does, to run its probes.

    Raises:
        PreflightError: OpenVINO is not here.
        BundleError: It fails to open or to run it.
    """
    ov = openvino()
    title = f"{path.parent.parent.name}/{path.parent.name}"
    try:
        compiled, weights = compile_engine(path, None)
        request = compiled.create_infer_request()
    except Exception as error:
        raise BundleError(f"OpenVINO cannot open {title}: {' '.join(str(error).split())}") from None
    names = [tensor_names(value)[0] for value in compiled.outputs]

    def run(inputs: Arrays) -> Arrays:
        try:
            for name, array in inputs.items():
                request.set_tensor(name, ov.Tensor(array))
            with weights.passing():
                request.infer()
            return {name: request.get_tensor(name).data.copy() for name in names}
        except Exception as error:
            raise BundleError(f"OpenVINO cannot run {title}: {' '.join(str(error).split())}") from None

    return run
