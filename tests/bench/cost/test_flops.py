"""Operations are counted as they are known to be: by hand for single products, by torch for a whole denoiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from latentlink.bench.cost import count_flops
from latentlink.bench.gpu.findings import SizedModel
from latentlink.bench.gpu.speed import tflop_of
from latentlink.errors import UsageError

Shape = list[int | str]


def graph(path: Path, operator: str, inputs: list[Shape], output: Shape | None, **attributes: Any) -> Path:
    """One node."""
    names = [f"in{number}" for number in range(len(inputs))]
    made = helper.make_graph(
        [helper.make_node(operator, names, ["out"], name="the_node", **attributes)],
        "one",
        [helper.make_tensor_value_info(*pair) for pair in zip(names, [TensorProto.FLOAT] * 9, inputs, strict=False)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, output)],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "attributes", "count"),
    [
        # every output element is a sum of in/groups * 3 * 3 products
        ("Conv", [["B", 8, "h", "w"], [6, 8, 3, 3]], ["B", 6, "h//2", "w//2"], {}, 2 * (2 * 6 * 5 * 3) * 72),
        ("Conv", [["B", 8, "h", "w"], [6, 2, 3, 3]], ["B", 6, "h", "w"], {"group": 4}, 2 * (2 * 6 * 10 * 6) * 18),
        ("MatMul", [["B", 4, "h*w", 7], [7, 9]], ["B", 4, "h*w", 9], {}, 2 * (2 * 4 * 60 * 9) * 7),
        ("Gemm", [["B", 5], [5, 3]], ["B", 3], {}, 2 * (2 * 3) * 5),
        ("Gemm", [[5, "B"], [5, 3]], ["B", 3], {"transA": 1}, 2 * (2 * 3) * 5),
        ("Relu", [["B", 5]], ["B", 5], {}, 0),
    ],
)
def test_a_product_counts_two_operations_a_multiply_add(
    tmp_path: Path, operator: str, inputs: list[Shape], output: Shape, attributes: dict[str, Any], count: int
) -> None:
    path = graph(tmp_path / "one.onnx", operator, inputs, output, **attributes)
    assert sum(count_flops(path, {"B": 2, "h": 10, "w": 6}).values()) == count


def test_a_product_of_unknown_size_is_refused(tmp_path: Path) -> None:
    path = graph(tmp_path / "one.onnx", "MatMul", [["K", 7], [7, 9]], ["K", 9])
    with pytest.raises(UsageError, match=r"'in0' in 'the_node' \(MatMul\) are \[K,7\]; expected sizes that .* B\."):
        count_flops(path, {"B": 2})


def test_an_operator_whose_products_would_be_missed_is_refused(tmp_path: Path) -> None:
    path = graph(tmp_path / "one.onnx", "Einsum", [["B", 7], [7, 9]], ["B", 9], equation="ij,jk->ik")
    with pytest.raises(UsageError, match="has the operator Einsum; expected Conv"):
        count_flops(path, {"B": 2})


def test_a_denoiser_counts_what_torch_counts(tiny: Path, tiny_export: Path) -> None:
    import torch
    from diffusers import UNet2DConditionModel
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    rows, tokens, side = 4, 77, 8
    unet = UNet2DConditionModel.from_pretrained(tiny, subfolder="unet")
    text = torch.zeros(rows, tokens, unet.config.cross_attention_dim)
    counter = FlopCounterMode(display=False)
    # torch does not count the fused attention of the CPU, but the products that it stands for
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        unet(torch.zeros(rows, 4, side, side), torch.tensor(10), text)

    found = count_flops(
        tiny_export / "engines" / "denoiser" / "onnx" / "model.onnx",
        {"B": rows // 2, "N": rows, "S": tokens, "h": side, "w": side},
    )
    assert sum(found.values()) == counter.get_total_flops()
    work = SizedModel(model="tiny", width=2 * side, height=2 * side, batch=rows // 2)
    assert tflop_of(work, tiny_export) == sum(found.values()) / 1e12
