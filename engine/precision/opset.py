"""Graph pass: raise the opset to one in which all operators take bfloat16.

Requires: nothing.
Ensures: the opset is 22, the first with bfloat16 convolutions, if raising it only allows more types: from 18 on, and
without an operator whose meaning changed. If not, it is unchanged; the parsers of engines accept such graphs.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import nodes_of

LOWEST, OPSET = 18, 22

OPERATORS_WITH_NEW_MEANING = frozenset({"DFT", "GridSample", "GroupNormalization"})
"""Operators whose meaning changed between opsets 18 and 22."""


def allow_bfloat16(model: ir.Model) -> None:
    """Raise the opset in place."""
    opset = model.opset_imports.get("", 0)
    if LOWEST <= opset < OPSET and not any(node.op_type in OPERATORS_WITH_NEW_MEANING for node in nodes_of(model)):
        model.opset_imports[""] = OPSET
