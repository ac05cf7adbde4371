"""The least release of ONNX Runtime that a graph needs, so that an engine opens with older ones than its builder's."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

RELEASE = "1.18"
"""The release that has all of this."""

IR, OPSET = 10, 21

OPERATORS = frozenset({
    "Attention", "BiasAdd", "BiasGelu", "BiasSplitGelu", "DequantizeLinear", "DynamicQuantizeMatMul", "FastGelu",
    "FusedConv", "FusedGemm", "FusedMatMul", "FusedMatMulActivation", "Gelu", "GroupNorm", "MatMulIntegerToFloat",
    "MatMulNBits", "MultiHeadAttention", "NhwcConv", "PackedMultiHeadAttention", "QAttention", "QGemm", "QLinearAdd",
    "QLinearConcat", "QLinearMul", "QLinearSigmoid", "QuantizeLinear", "QuickGelu", "RotaryEmbedding",
    "SimplifiedLayerNormalization", "SkipGroupNorm", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization",
})  # fmt: skip
"""Of the domain com.microsoft."""


def least_release(path: Path) -> str:
    """The least release that opens an ONNX file; that of this machine if the file has anything of a later one.

    https://onnxruntime.ai/docs/reference/compatibility.html, and ContribOperators.md of release 1.18.

    Args:
        path: The file; weights beside it are not read.
    """
    import onnx_ir as ir

    model = ir.load(path)
    own = {node.op_type for node in model.graph.all_nodes() if node.domain == "com.microsoft"}
    others = {node.domain for node in model.graph.all_nodes()} - {"", "ai.onnx", "com.microsoft"}
    known = model.ir_version <= IR and model.opset_imports.get("", 0) <= OPSET and own <= OPERATORS and not others
    return RELEASE if known and not model.functions else ort.__version__
