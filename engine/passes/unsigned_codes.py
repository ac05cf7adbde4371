"""Graph pass: int8 codes of activations become uint8 codes with zero point 128, for ONNX Runtime on a processor.

Requires: nothing.
Ensures: QuantizeLinear and DequantizeLinear with an int8 zero point of 0 have a uint8 zero point of 128. Every code is
128 higher and stands for the same number. ONNX Runtime's kernels on x86 need this. It converts int8 itself, but not if
several products read one activation; these would stay in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

MIDDLE = 128


def unsigned_codes(model: ir.Model) -> int:
    """Convert the codes in place.

    Returns:
        The number of converted activations.
    """
    import numpy as np
    import onnx_ir as ir

    signed = {
        node.inputs[2]
        for node in model.graph
        if node.op_type == "QuantizeLinear" and len(node.inputs) == 3 and _is_zero(node.inputs[2])
    }
    if not signed:
        return 0
    middle = ir.Value(name="middle_uint8", const_value=ir.tensor(np.array(MIDDLE, np.uint8), name="middle_uint8"))
    middle.shape, middle.dtype = ir.Shape([]), ir.DataType.UINT8
    model.graph.register_initializer(middle)
    count = 0
    for node in model.graph:
        if len(node.inputs) == 3 and node.inputs[2] in signed:
            node.replace_input_with(2, middle)
            if node.op_type == "QuantizeLinear":
                node.outputs[0].type = ir.TensorType(ir.DataType.UINT8)
                count += 1
    return count


def _is_zero(value: ir.Value | None) -> bool:
    import onnx_ir as ir

    tensor = None if value is None else value.const_value
    return tensor is not None and tensor.dtype == ir.DataType.INT8 and not tensor.numpy().any()
