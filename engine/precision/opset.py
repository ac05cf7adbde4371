"""Graph pass: the opset in which bfloat16 is allowed everywhere.

Requires: nothing.
Ensures: the opset is 22, the first with bfloat16 for convolutions, where raising it only allows more types: from 18
on, without an operator that means something else since. Elsewhere it is as it was; engines' parsers take such graphs.
"""

from __future__ import annotations

import onnx_ir as ir

from latentlink.engine.precision.graph import nodes_of

LOWEST, OPSET = 18, 22

CHANGED = frozenset({"DFT", "GridSample", "GroupNormalization"})
"""Mean something else in it than in some opset from 18 on."""


def allow_bfloat16(model: ir.Model) -> None:
    """Raise the opset in place."""
    opset = model.opset_imports.get("", 0)
    if LOWEST <= opset < OPSET and not any(node.op_type in CHANGED for node in nodes_of(model)):
        model.opset_imports[""] = OPSET
