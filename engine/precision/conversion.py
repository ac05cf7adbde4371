"""Convert a component from one precision to another.

Measurements (every result rounded to its type, with the demo and small checkpoints of each family) showed that the
following need no rule: softmaxes, which do not differ in any bit, as kernels accumulate in float32; and attention
scores, the affine of group norms, rotary embeddings and residual sums, which change the PSNR by less than 3 dB in
either direction, while the thresholds are 10 dB away.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from latentlink.engine.precision.bridges import REASON as BRIDGE
from latentlink.engine.precision.bridges import bridges
from latentlink.engine.precision.conversion_report import ConversionReport, KeptNode
from latentlink.engine.precision.graph import computes, nodes_of
from latentlink.engine.precision.opset import allow_bfloat16
from latentlink.engine.precision.retype import retype
from latentlink.engine.precision.rules.angles import angles
from latentlink.engine.precision.rules.no_half import no_half
from latentlink.engine.precision.rules.normalisation import normalisation
from latentlink.engine.precision.rules.out_of_range import LARGE, out_of_range
from latentlink.engine.precision.rules.outside import outside
from latentlink.engine.precision.rules.rule import Rule
from latentlink.engine.precision.rules.whole_numbers import whole_numbers
from latentlink.engine.precision.widen import widen
from latentlink.errors import UsageError

PRECISIONS: Mapping[str, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""Type by the name of a precision that users write."""

TYPES = {"float32": ir.DataType.FLOAT, "float16": ir.DataType.FLOAT16, "bfloat16": ir.DataType.BFLOAT16}

RULES: tuple[Rule, ...] = (no_half, angles, normalisation, whole_numbers, outside, out_of_range)
"""Rules for what stays in float32. A node that several rules claim has the reason of the first."""


def convert(model: ir.Model, precision: str) -> ConversionReport:
    """Convert a component in place. Its ports keep their types.

    Weights are converted one at a time, when they are read or written; they must still be in the file that they were
    loaded from.

    Args:
        model: A component of any precision.
        precision: `float32`, `float16` or `bfloat16`.

    Returns:
        The nodes that stay in float32, and why.

    Raises:
        UsageError: The precision is unknown.
        BundleError: The type of a value in the graph is unknown.
    """
    if precision not in TYPES:
        raise UsageError(f"{precision!r} is no precision; expected one of: {', '.join(TYPES)}.")
    low = TYPES[precision]
    widen(model)
    nodes = [node for node in nodes_of(model) if computes(node)]
    all_claims = [] if precision == "float32" else [rule(model, low) for rule in RULES]
    claims = {node: reason for one in reversed(all_claims) for node, reason in one.items()}
    if all_claims:
        claims |= dict.fromkeys(bridges(model, claims), BRIDGE)
    clamp = {node for one in all_claims for node, reason in one.items() if reason == LARGE}
    retype(model, low, float32_nodes=claims, clamp=clamp)
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
