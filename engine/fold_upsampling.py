"""Graph pass: a picture made twice as large by repeating its elements, and a 3x3 convolution of that, as four of 2x2.

Every element of the large picture has three twins, so of a row of three weights two always meet one number: their sum
does. What lands on even rows reads one row above, what lands on odd ones one below; columns likewise. So four
convolutions of the small picture make the four elements of every block of 2x2: 16 products for what took 36.

Requires: types and weights that are known; nothing between the two nodes.
Ensures: the same numbers, but for the rounding of sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir

PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Row and column in a block, in the order that a depth-to-space rearrangement reads channels in."""


def pads(phase: tuple[int, int]) -> list[int]:
    """Zeros around the small picture for one phase: above, left, below, right."""
    row, column = phase
    return [1 - row, 1 - column, row, column]


def folded(weights: NDArray[Any], phase: tuple[int, int]) -> NDArray[Any]:
    """The weights of one phase.

    Args:
        weights: Of the convolution, float `[M, C, 3, 3]`.
        phase: One of `PHASES`.

    Returns:
        `[M, C, 2, 2]`, summed in float32.
    """
    found = weights.astype(np.float32)
    for axis, odd in zip((2, 3), phase, strict=True):
        first, middle, last = (found.take([at], axis) for at in range(3))
        parts = (first + middle, last) if odd else (first, middle + last)
        found = np.concatenate(parts, axis)
    return found


def fold_upsampling(model: ir.Model) -> int:
    """Fold them in place.

    Returns:
        How many were.
    """
    import onnx_ir as ir

    count = 0
    for node in [*model.graph]:
        large = node.inputs[0] if node.op_type == "Conv" else None
        resize = None if large is None else large.producer()
        if large is None or resize is None or not (_doubles(resize) and _is_3x3(node)):
            continue
        weight = node.inputs[1]
        assert weight is not None and weight.const_value is not None
        taps = weight.const_value.numpy()
        made = []
        for phase in PHASES:
            name = f"{weight.name}_{phase[0]}{phase[1]}"
            tensor = ir.tensor(folded(taps, phase).astype(taps.dtype), name=name)
            value = ir.Value(name=name, const_value=tensor, shape=ir.Shape([*taps.shape[:2], 2, 2]), type=weight.type)
            model.graph.register_initializer(value)
            kept = {key: node.attributes[key].value for key in ("group",) if key in node.attributes}
            one = ir.node(
                "Conv",
                [resize.inputs[0], value, *node.inputs[2:]],
                attributes={"kernel_shape": [2, 2], "pads": pads(phase), **kept},
                name=f"{node.name}_{phase[0]}{phase[1]}",
            )
            made.append(one)
        joined = ir.node("Concat", [one.outputs[0] for one in made], attributes={"axis": 1})
        whole = ir.node("DepthToSpace", joined.outputs, attributes={"blocksize": 2, "mode": "DCR"})
        new = (*made, joined, whole)
        for one in new:
            one.outputs[0].type = node.outputs[0].type
        whole.outputs[0].shape = node.outputs[0].shape
        ir.convenience.replace_nodes_and_values(model.graph, node, [node], new, node.outputs, whole.outputs)
        if not large.uses():
            model.graph.remove(resize, safe=True)
        if not weight.uses():
            model.graph.initializers.pop(str(weight.name), None)
        count += 1
    return count


def _doubles(node: ir.Node) -> bool:
    """Whether it repeats every element of a picture's rows and columns, `[N, C, H, W]`, once."""
    wanted = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if node.op_type != "Resize" or len(node.inputs) != 3:
        return False
    scales = None if node.inputs[2] is None else node.inputs[2].const_value
    said = {key: node.attributes[key].value for key in wanted if key in node.attributes}
    return said == wanted and scales is not None and scales.numpy().tolist() == [1, 1, 2, 2]


def _is_3x3(node: ir.Node) -> bool:
    """Whether it is a convolution of known weights, 3x3, whose result is as large as what it reads."""
    weight = node.inputs[1]
    plain = {"pads": (1, 1, 1, 1), "strides": (1, 1), "dilations": (1, 1), "auto_pad": "NOTSET"}
    said = {key: node.attributes[key].value for key in plain if key in node.attributes}
    known = weight is not None and weight.const_value is not None and tuple(weight.const_value.shape)[2:] == (3, 3)
    return known and "pads" in said and all(said[key] == plain[key] for key in said)
