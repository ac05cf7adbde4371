"""A scalar input of a plain graph becomes one value a row of the batch.

Optimum exports a UNet with a scalar timestep, the same for all pictures of a batch. In a step, each picture may have
its own. The network itself computes with one timestep per picture; it begins by repeating a scalar.

Requires: between the scalar and the repeating `Expand`, nothing but changes of shape and dtype.
Ensures: whoever read the repeated scalar reads the given vector, cast as the scalar was.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from latentlink.errors import CheckpointError

_RESHAPING = ("Identity", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True, slots=True)
class _Place:
    """A value that is still the scalar, and the dtypes it was cast to on the way."""

    value: ir.Value
    casts: tuple[int, ...] = ()


def per_row(scalar: ir.Value, rows: ir.Value, *, title: str) -> None:
    """Replace the repeated `scalar` by `rows`, in place.

    Args:
        scalar: Input of the plain graph, of rank 0.
        rows: Replacement, one value a row: `[N]`.
        title: Name of the graph, for messages.

    Raises:
        CheckpointError: The graph computes with the scalar before repeating it.
    """
    open_places = [_Place(scalar)]
    repeats: list[tuple[ir.Node, tuple[int, ...]]] = []
    while open_places:
        place = open_places.pop()
        for node, index in place.value.uses():
            if index == 0 and node.op_type == "Expand":
                repeats.append((node, place.casts))
            elif index == 0 and node.op_type in _RESHAPING:
                open_places.append(_Place(node.outputs[0], place.casts))
            elif node.op_type == "Cast":
                open_places.append(_Place(node.outputs[0], (*place.casts, node.attributes["to"].as_int())))
            else:
                raise CheckpointError(
                    f"{title} computes {node.op_type} from the scalar input {scalar.name!r} before repeating it for "
                    "every picture; expected a graph in which each picture can have its own value.",
                    remedy="Export it again with a timestep of shape [batch], or with a current Optimum.",
                )
    for number, (node, casts) in enumerate(repeats):
        replacement = rows
        for step, dtype in enumerate(casts):
            cast = ir.node("Cast", inputs=[replacement], attributes={"to": dtype})
            cast.outputs[0].name = f"{scalar.name}.row{number}.cast{step}"
            cast.outputs[0].dtype = ir.DataType(dtype)
            graph = node.graph
            if graph is None:
                raise RuntimeError(f"{node.name} is in no graph")
            graph.insert_before(node, cast)
            replacement = cast.outputs[0]
        node.outputs[0].replace_all_uses_with(replacement, replace_graph_outputs=True)
