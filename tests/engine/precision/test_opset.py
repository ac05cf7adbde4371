"""The opset is raised for bfloat16 where that changes no operator's meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from latentlink.engine.precision.opset import allow_bfloat16

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Read


@pytest.mark.parametrize(
    ("opset", "operator", "raised"),
    [(20, "Neg(x)", 22), (18, "Neg(x)", 22), (17, "Neg(x)", 17), (23, "Neg(x)", 23), (20, "DFT(x)", 20)],
)
def test_the_opset_is_raised_to_the_first_with_the_type(read: Read, opset: int, operator: str, raised: int) -> None:
    model = read(f"(float[1,4,1] x) => (float[1,4,1] y) {{ y = {operator} }}", opset)
    allow_bfloat16(model)
    assert model.opset_imports[""] == raised
