"""Modules to ONNX graphs with typed ports, and changes to graphs."""

from __future__ import annotations

from latentlink.export.graphs.component import DTYPES, Component, Tokenizer
from latentlink.export.graphs.onnx_file import write_onnx
from latentlink.export.graphs.plain import EXPORT_AGAIN, PlainGraph, load_onnx
from latentlink.export.graphs.stand_in import StandIn, TracedDim, plain_graph
from latentlink.export.graphs.typed import TypedModule

__all__ = [
    # a component and its module
    "Component",
    "DTYPES",
    "Tokenizer",
    "TypedModule",
    # writing
    "write_onnx",
    # plain ONNX graphs
    "EXPORT_AGAIN",
    "PlainGraph",
    "load_onnx",
    "TracedDim",
    "StandIn",
    "plain_graph",
]  # fmt: skip
