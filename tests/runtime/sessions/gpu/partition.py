"""Where ONNX Runtime places the nodes of a graph with CUDA's provider, and what it has to copy between.

A model of `GetCpuPreferredNodes` and of the transformer that inserts copies (onnxruntime/core/framework/fallback_cpu_
capability.cc, core/optimizer/transformer_memcpy.cc), with the host inputs that CUDA's kernels declare: nodes that only
compute with sizes run on the processor, as `Shape` writes its result there.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

HOST_INPUTS: Mapping[str, frozenset[int]] = {
    "Reshape": frozenset({1}),
    "Expand": frozenset({1}),
    "Slice": frozenset({1, 2, 3, 4}),
    "Tile": frozenset({1}),
    "ConstantOfShape": frozenset({0}),
    "Range": frozenset({0, 1, 2}),
    "Split": frozenset({1}),
    "Unsqueeze": frozenset({1}),
    "Squeeze": frozenset({1}),
    "Resize": frozenset({1, 2, 3}),
    "Pad": frozenset({1, 2}),
}
"""Inputs that kernels of CUDA's provider read on the host."""

HOST_OUTPUTS = frozenset({"Shape", "Size"})


def copies(model: ir.Model) -> list[str]:
    """The values that are copied between the host and the GPU in a run: one `MemcpyFromHost` or `MemcpyToHost` each."""
    graph = model.graph
    on_host: set[str] = set()  # values
    nodes: set[ir.Node] = set()  # on the processor
    for node in graph:
        if node.op_type in HOST_OUTPUTS:
            on_host |= {str(value.name) for value in node.outputs}
            continue
        given = [value for value in node.inputs if value is not None]
        if any(value.name in on_host for value in given) and all(
            value.name in on_host or value.const_value is not None for value in given
        ):
            nodes.add(node)
            on_host |= {str(value.name) for value in node.outputs}
    found: set[str] = set()
    for node in graph:
        for place, value in enumerate(node.inputs):
            if value is None or value.const_value is not None:
                continue
            reads_host = node in nodes or place in HOST_INPUTS.get(node.op_type, ()) if node.domain == "" else False
            if (value.name in on_host) != reads_host and node.op_type not in HOST_OUTPUTS:
                found.add(str(value.name))
    return sorted(found)
