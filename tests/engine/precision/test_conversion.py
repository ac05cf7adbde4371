"""Conversion of a whole exported step: its ports stay, its types are whole, its results agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from latentlink.engine.precision import PRECISIONS, convert
from latentlink.engine.quality import measure_agreement
from latentlink.errors import UsageError

if TYPE_CHECKING:
    from tests.engine.precision.conftest import Compute

HALVES = ("float16", "bfloat16")

pytestmark = pytest.mark.xdist_group("step")  # which is exported once, then


def ports(model: ir.Model) -> list[tuple[Any, ...]]:
    """Names, types and shapes of what goes in and out."""
    return [(value.name, value.dtype, str(value.shape)) for value in (*model.graph.inputs, *model.graph.outputs)]


@pytest.mark.parametrize("precision", HALVES)
def test_a_step_keeps_its_ports_and_agrees_with_float32(
    step: Path, step_inputs: list[NDArray[Any]], compute: Compute, precision: str
) -> None:
    model = ir.load(step)
    before, wanted = ports(model), compute(ir.load(step), *step_inputs)
    convert(model, precision)
    assert ports(model) == before
    if precision == "bfloat16":  # ONNX Runtime's CPU kernels have none
        convert(model, "float32")
    assert measure_agreement(zip(compute(model, *step_inputs), wanted, strict=True), precision).sufficient


def test_what_stays_of_a_step_is_told_with_its_reason(step: Path) -> None:
    report = convert(ir.load(step), "float16")
    kept = {(one.operator, one.reason) for one in report.kept}
    reasons = Counter(one.reason for one in report.kept)
    assert ("Sin", "timestep embedding") in kept
    assert {("InstanceNormalization", "normalisation statistics"), ("ReduceMean", "normalisation statistics")} <= kept
    assert reasons["arithmetic outside the network"] > 50
    assert not {operator for operator, _ in kept} & {"Conv", "MatMul", "Gemm", "Softmax"}
    assert len(report.kept) < report.nodes


@pytest.mark.parametrize("precision", HALVES)
def test_no_value_is_cast_twice_to_a_type_nor_back(step: Path, precision: str) -> None:
    model = ir.load(step)
    convert(model, precision)
    casts = [node for node in model.graph if node.op_type == "Cast"]
    made = Counter((node.inputs[0], node.outputs[0].dtype) for node in casts)
    assert set(made.values()) == {1}
    for node in casts:
        source = node.inputs[0]
        assert source is not None
        assert source.dtype != node.outputs[0].dtype
        assert source.producer() is None or source.producer().op_type != "Cast"  # type: ignore[union-attr]


def test_a_half_export_is_converted_as_its_float32_one_is(step: Path) -> None:
    direct, roundabout = ir.load(step), ir.load(step)
    report = convert(direct, "float16")
    convert(roundabout, "bfloat16")
    assert convert(roundabout, "float16").kept == report.kept
    names = [[(node.op_type, node.outputs[0].dtype) for node in model.graph] for model in (direct, roundabout)]
    assert sorted(names[0], key=str) == sorted(names[1], key=str)


@pytest.mark.parametrize("precision", HALVES)
def test_converting_twice_is_converting_once(step: Path, precision: str) -> None:
    model = ir.load(step)
    report = convert(model, precision)
    before = [(node.op_type, node.outputs[0].name, node.outputs[0].dtype) for node in model.graph]
    assert convert(model, precision) == report
    assert sorted((node.op_type, node.outputs[0].name, node.outputs[0].dtype) for node in model.graph) == sorted(before)


def test_a_widened_step_computes_what_it_did(step: Path, step_inputs: list[NDArray[Any]], compute: Compute) -> None:
    model = ir.load(step)
    convert(model, "float16")
    convert(model, "float32")
    assert not [node for node in model.graph if node.op_type == "Cast"]
    for found, wanted in zip(compute(model, *step_inputs), compute(ir.load(step), *step_inputs), strict=True):
        np.testing.assert_array_equal(found, wanted)  # its weights are those of the file again


def test_an_unknown_precision_is_refused_with_those_there_are(step: Path) -> None:
    with pytest.raises(UsageError, match="'int8' is no precision; expected one of: float32, float16, bfloat16"):
        convert(ir.load(step), "int8")


def test_every_name_for_a_precision_can_be_converted_to(step: Path) -> None:
    for precision in PRECISIONS.values():
        assert convert(ir.load(step), precision).precision == precision
