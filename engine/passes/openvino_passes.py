"""Passes over OpenVINO's graph, between two runs of its own simplifications."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from latentlink.engine.passes.openvino_upsampling import fold_upsampling


def split_sums(model: Any) -> None:
    """Normalise groups `[N, G, L]` of a picture `[N, C, H, W]` as `[N * G, C / G * H, W]`: the same elements.

    Over one axis OpenVINO sums all elements of a group in one float32. A group of a VAE has a million elements, and the
    last ones lose half of their digits: flat areas differ by 4e-4 of the largest value. Over two axes OpenVINO sums
    every row separately and then the rows, equally fast.
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
        settings = node.get_attributes()
        variance, eps, mode = settings["normalize_variance"], settings["eps"], settings["eps_mode"].lower()
        normal = ops.mvn(split, np.array([1, 2]), variance, eps, mode)
        whole = ops.reshape(normal, ops.shape_of(flat), False)
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(whole.output(0))


def drop_casts(model: Any) -> None:
    """Let normalisations between casts read and write bfloat16: their kernel computes in float32 internally."""
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


PASSES: tuple[Callable[[Any], None], ...] = (fold_upsampling, drop_casts, split_sums)
"""Passes in order: casts are dropped before sums are split, which would separate them from their normalisation."""


def angles(model: Any) -> Iterator[Any]:
    """Sines, cosines and the nodes above them: a timestep up to 1000 has 8 bits in bfloat16, its angle none."""
    waiting = [node for node in model.get_ordered_ops() if node.get_type_name() in ("Sin", "Cos")]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            waiting += [value.get_node() for value in node.input_values()]
            yield node


def keep_types(path: Path, names: Collection[str]) -> None:
    """Mark nodes of an IR to keep their types despite the precision hint; OpenVINO's Python API cannot."""
    document = ElementTree.parse(path)
    for layer in document.iter("layer"):
        if layer.get("name") in names:
            info = ElementTree.SubElement(layer, "rt_info")
            ElementTree.SubElement(info, "attribute", {"name": "precise", "version": "0"})
    document.write(path, xml_declaration=True)
