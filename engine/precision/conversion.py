"""A component from one precision to another.

What has no rule, by measurement (every result rounded to its type, over the demo and small checkpoints of each family):
softmaxes, which differ in no bit, as kernels add up in float32 inside; the scores that they read, the affine of group
norms, rotations by position and sums with what a block was given, each within 3 dB of PSNR either way, where the
thresholds are 10 dB away.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from latentlink.engine.precision.angles import angles
from latentlink.engine.precision.bridges import REASON as BRIDGE
from latentlink.engine.precision.bridges import bridges
from latentlink.engine.precision.conversion_report import ConversionReport, KeptNode
from latentlink.engine.precision.graph import computes, nodes_of
from latentlink.engine.precision.no_half import no_half
from latentlink.engine.precision.normalisation import normalisation
from latentlink.engine.precision.opset import allow_bfloat16
from latentlink.engine.precision.out_of_range import LARGE, out_of_range
from latentlink.engine.precision.outside import outside
from latentlink.engine.precision.retype import retype
from latentlink.engine.precision.rule import Rule
from latentlink.engine.precision.whole_numbers import whole_numbers
from latentlink.engine.precision.widen import widen
from latentlink.errors import UsageError

PRECISIONS: Mapping[str, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""What users call a precision, and the type that it is."""

TYPES = {"float32": ir.DataType.FLOAT, "float16": ir.DataType.FLOAT16, "bfloat16": ir.DataType.BFLOAT16}

RULES: tuple[Rule, ...] = (no_half, angles, normalisation, whole_numbers, outside, out_of_range)
"""What stays in float32. A node that several claim has the first one's reason."""


def convert(model: ir.Model, precision: str) -> ConversionReport:
    """Change what a component computes in, in place. Its ports stay as they are.

    Weights are converted when they are written or read, one at a time; they must still lie where they were loaded
    from.

    Args:
        model: A component, of whatever precision.
        precision: `float32`, `float16` or `bfloat16`.

    Returns:
        What stayed in float32, and why.

    Raises:
        UsageError: There is no such precision.
        BundleError: The graph does not tell its types.
    """
    if precision not in TYPES:
        raise UsageError(f"{precision!r} is no precision; expected one of: {', '.join(TYPES)}.")
    low = TYPES[precision]
    widen(model)
    nodes = [node for node in nodes_of(model) if computes(node)]
    found = [] if precision == "float32" else [rule(model, low) for rule in RULES]
    claims = {node: reason for claimed in reversed(found) for node, reason in claimed.items()}
    if found:
        claims |= dict.fromkeys(bridges(model, claims), BRIDGE)
    limited = {node for claimed in found for node, reason in claimed.items() if reason == LARGE}
    retype(model, low, kept=claims, limited=limited)
    RemoveUnusedNodesPass()(model)
    if precision == "bfloat16":
        allow_bfloat16(model)
    return ConversionReport(
        precision=precision,
        nodes=len(nodes),
        kept=tuple(
            KeptNode(node=node.name or "", operator=node.op_type, reason=claims[node])
            for node in nodes
            if node in claims
        ),
    )
