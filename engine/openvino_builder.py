"""OpenVINO: the graph read and simplified once, its weights beside it and memory-mapped when it runs.

The engine is OpenVINO's own format (IR): `model.xml` with the graph and the ports' tensor names, `model.bin` with the
weights. ONNX files open as well, and are as large; IR opens a third faster (true-size UNet: 4.0 s, not 6.1).

What it computes in are the graph's own types, as `latentlink.engine.precision` wrote them: so a step's arithmetic and
the timestep stay float32 in a bfloat16 engine too. OpenVINO's hint for bfloat16 would lower what it reads of them.

All but the products of an int8 graph are lowered by that hint, and what it would spoil is marked: casts written out
would stand around every product, and take as long as bfloat16 saves.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from latentlink.engine.job import Job
from latentlink.engine.manifest import Fact
from latentlink.engine.openvino_engine import LOWERED, OpenVinoEngine
from latentlink.engine.openvino_module import openvino, tensor_names
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
        _drop_casts(model)
        _split_sums(model)
        simplify(model, cf=True)
        _rename(model, job)
        lowered = job.precision == "int8+bfloat16"
        if lowered:
            model.set_rt_info("bf16", [*LOWERED])
        ov.save_model(model, job.out, compress_to_fp16=False)
        if lowered:
            _mark(job.out, {node.get_friendly_name() for node in _angles(model)})
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


def _drop_casts(model: Any) -> None:
    """Have normalisations between casts read and write bfloat16: their kernel computes in float32 inside anyway."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MVN":
            continue
        before, after = node.input_value(0).get_node(), [one.get_node() for one in node.output(0).get_target_inputs()]
        if before.get_type_name() != "Convert" or not _is_bfloat16(before.input_value(0)):
            continue
        if all(one.get_type_name() in ("Convert", "ConvertLike") and _is_bfloat16(one.output(0)) for one in after):
            node.input(0).replace_source_output(before.input_value(0))
            node.validate_and_infer_types()
            for cast in after:
                for reader in [*cast.output(0).get_target_inputs()]:
                    reader.replace_source_output(node.output(0))


def _is_bfloat16(value: Any) -> bool:
    return bool(value.get_element_type().get_type_name() == "bf16")


def _angles(model: Any) -> Iterator[Any]:
    """What sines and cosines are of, and they: a timestep of up to 1000 has 8 bits in bfloat16, an angle none left."""
    waiting = [node for node in model.get_ordered_ops() if node.get_type_name() in ("Sin", "Cos")]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            waiting += [value.get_node() for value in node.input_values()]
            yield node


def _mark(path: Path, names: Collection[str]) -> None:
    """Have nodes of an IR keep their types whatever the hint says, which OpenVINO's Python cannot."""
    document = ElementTree.parse(path)
    for layer in document.iter("layer"):
        if layer.get("name") in names:
            info = ElementTree.SubElement(layer, "rt_info")
            ElementTree.SubElement(info, "attribute", {"name": "precise", "version": "0"})
    document.write(path, xml_declaration=True)


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
        engine = OpenVinoEngine(path, None)
    except Exception as error:
        raise BundleError(f"OpenVINO cannot open {title}: {' '.join(str(error).split())}") from None
    names = [tensor_names(value)[0] for value in engine.outputs]

    def run(inputs: Arrays) -> Arrays:
        try:
            compiled = engine.compiled({name: array.shape for name, array in inputs.items()})
            request = compiled.request
            for name, array in inputs.items():
                request.set_tensor(name, ov.Tensor(array))
            compiled.infer()
            return {name: request.get_tensor(name).data.copy() for name in names}
        except Exception as error:
            raise BundleError(f"OpenVINO cannot run {title}: {' '.join(str(error).split())}") from None

    return run
