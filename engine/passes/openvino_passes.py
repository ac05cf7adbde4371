"""Passes over OpenVINO's graph, after its own simplifications and before more of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from latentlink.engine.passes.openvino_upsampling import fold_upsampling


def split_sums(model: Any) -> None:
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


def drop_casts(model: Any) -> None:
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


PASSES: tuple[Callable[[Any], None], ...] = (fold_upsampling, drop_casts, split_sums)
"""In order: casts come between what is summed and what it is of."""


def angles(model: Any) -> Iterator[Any]:
    """What sines and cosines are of, and they: a timestep of up to 1000 has 8 bits in bfloat16, an angle none left."""
    waiting = [node for node in model.get_ordered_ops() if node.get_type_name() in ("Sin", "Cos")]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in seen:
            seen.add(node.get_friendly_name())
            waiting += [value.get_node() for value in node.input_values()]
            yield node


def keep_types(path: Path, names: Collection[str]) -> None:
    """Have nodes of an IR keep their types whatever the hint says, which OpenVINO's Python cannot."""
    document = ElementTree.parse(path)
    for layer in document.iter("layer"):
        if layer.get("name") in names:
            info = ElementTree.SubElement(layer, "rt_info")
            ElementTree.SubElement(info, "attribute", {"name": "precise", "version": "0"})
    document.write(path, xml_declaration=True)
