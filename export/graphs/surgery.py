"""Graph surgery: stand-in nodes are replaced by the plain graphs they stand for.

Requires: a model as `torch.onnx.export` wrote it around `StandIn` modules, of the opset of the plain graphs.
Ensures: no `latentlink::Plain` node is left; the plain graphs' values are named `FOLDER.NAME`, so that names do not
clash; outputs that nothing reads are removed with the nodes that compute them; weights still refer to files on disk.
"""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from latentlink.export.graphs.per_row import per_row
from latentlink.export.graphs.plain import load_onnx
from latentlink.export.graphs.stand_in import DOMAIN, OPERATOR


def splice(model: ir.Model) -> None:
    """Replace every stand-in node, in place.

    Raises:
        CheckpointError: A plain graph is not an ONNX file, or computes with a scalar that the step has per picture.
    """
    places = [node for node in model.graph if node.domain == DOMAIN and node.op_type == OPERATOR]
    if not places:
        return
    seen: set[str] = set()
    for place in places:
        path = place.attributes["path"].as_string()
        if path in seen:
            raise RuntimeError(f"{path} is called twice in one component: its weights would be stored twice")
        seen.add(path)
        _inline(model, place, load_onnx(Path(path)), Path(path))
    model.opset_imports.pop(DOMAIN, None)
    RemoveUnusedNodesPass()(model)


def _inline(model: ir.Model, place: ir.Node, plain: ir.Model, path: Path) -> None:
    if plain.opset_imports[""] != model.opset_imports[""]:
        raise RuntimeError(f"{path} has opset {plain.opset_imports['']}, the graph around it {model.opset_imports['']}")
    title = f"{path.parent.name}/{path.name}"
    replacements = dict(zip(place.attributes["inputs"].as_strings(), place.inputs, strict=True))
    for value in [value for value in plain.graph.inputs if not value.is_initializer()]:
        replacement = replacements[value.name or ""]
        if replacement is None:
            raise RuntimeError(f"{title} gets no {value.name}")
        if _rank(value) == 0 and _rank(replacement) == 1:
            per_row(value, replacement, title=title)
        else:
            value.replace_all_uses_with(replacement)
    results = {value.name: value for value in plain.graph.outputs}
    plain.graph.inputs.clear()
    plain.graph.outputs.clear()
    _rename(plain.graph, f"{path.parent.name}.")
    for name in list(plain.graph.initializers):
        model.graph.register_initializer(plain.graph.initializers.pop(name))
    nodes = list(plain.graph)
    plain.graph.remove(nodes)
    model.graph.insert_before(place, nodes)
    for name, old in zip(place.attributes["outputs"].as_strings(), place.outputs, strict=True):
        old.replace_all_uses_with(results[name], replace_graph_outputs=True)
    model.graph.remove(place, safe=True)
    model.functions.update(plain.functions)
    model.opset_imports.update({domain: version for domain, version in plain.opset_imports.items() if domain})


def _rank(value: ir.Value) -> int | None:
    return None if value.shape is None else value.shape.rank()


def _rename(graph: ir.Graph, prefix: str) -> None:
    """Prefix every name, subgraphs included, and drop the shapes of computed values: they may name a free dimension
    differently from the graph around, or state 1 where there is now one row per picture."""
    for value in list(graph.initializers.values()):
        value.name = prefix + (value.name or "")
    for node in ir.traversal.RecursiveGraphIterator(graph):
        if node.name:
            node.name = prefix + node.name
        for value in node.outputs:
            if value.name:
                value.name = prefix + value.name
            value.shape = None
        for attribute in node.attributes.values():
            if attribute.type is ir.AttributeType.GRAPH:
                for value in (*attribute.as_graph().inputs, *attribute.as_graph().initializers.values()):
                    value.name = prefix + (value.name or "")
