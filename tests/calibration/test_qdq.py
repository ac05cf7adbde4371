"""The rewriting: which layers, what is stored, and how near the result is, on a graph that can be read at a glance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from latentlink.calibration.balance import balance, balances_of
from latentlink.calibration.formats import FORMATS
from latentlink.calibration.layers import layers_of
from latentlink.calibration.observers import Histogram, by_range
from latentlink.calibration.qdq import quantise
from latentlink.calibration.sensitivity import add_twins, costs_of, step_quality
from latentlink.calibration.taps import GraphRunner, add_maxima, add_samples, tap_maxima, tap_samples, taps_of
from latentlink.engine.passes.unsigned_codes import unsigned_codes

if TYPE_CHECKING:
    from tests.calibration.conftest import SmallGraph


def maxima_of(small: SmallGraph) -> dict[str, NDArray[np.float32]]:
    model = small.load()
    taps = taps_of(layers_of(model), outputs=True)
    tap_maxima(model, taps)
    found: dict[str, NDArray[np.float32]] = {}
    add_maxima(GraphRunner(model, small.path), small.inputs, found)
    return found


def quantised(small: SmallGraph, precision: str, *, balanced: bool = True) -> Path:
    maxima = maxima_of(small)
    model = small.load()
    layers = layers_of(model)
    factors = balances_of(layers, maxima) if balanced else {}
    balance(model, layers, factors)
    tops = {name: float((array / factors.get(name, 1)).max()) for name, array in maxima.items()}
    target = FORMATS[precision]
    quantise(model, layers, {name: by_range(Histogram(top=top), target) for name, top in tops.items()}, target)
    out = small.path.with_name(f"{precision}-{balanced}.onnx")
    ir.save(model, out)
    return out


def snr(small: SmallGraph, path: Path) -> float:
    wanted = GraphRunner(small.path, small.path)(small.inputs)[small.out]
    return step_quality([wanted], [GraphRunner(path, path)(small.inputs)[small.out]])


def test_the_first_and_last_products_are_left_alone(small: SmallGraph) -> None:
    assert [layer.name for layer in layers_of(small.load())] == ["conv_mid", "to_q", "to_k", "to_v"]


def test_taps_tell_each_channels_maximum_and_every_number_of_a_small_activation(small: SmallGraph) -> None:
    model = small.load()
    taps = taps_of(layers_of(model), outputs=False)
    for name in ("normal", "middle"):
        value = next(value for node in model.graph for value in node.outputs if value.name == name)
        model.graph.outputs.append(value)
    kept = GraphRunner(model, small.path)(small.inputs)
    maxima = maxima_of(small)
    np.testing.assert_array_equal(maxima["normal"], np.abs(kept["normal"]).max((0, 1)))
    np.testing.assert_array_equal(maxima["middle"], np.abs(kept["middle"]).max((0, 2, 3)))
    model = small.load()
    factor = np.linspace(0.5, 2, maxima["normal"].size, dtype=np.float32)
    tap_samples(model, taps, {"normal": factor})
    seen = {tap.value: Histogram(top=1e3) for tap in taps}
    add_samples(GraphRunner(model, small.path), small.inputs, 5, seen)
    wanted = Histogram(top=1e3)
    wanted.add(kept["normal"] * factor)
    np.testing.assert_array_equal(seen["normal"].counts, wanted.counts)


def test_balancing_changes_nothing_in_float32_and_evens_out_the_channels(small: SmallGraph) -> None:
    maxima = maxima_of(small)
    model = small.load()
    layers = layers_of(model)
    factors = balances_of(layers, maxima)
    assert [*factors] == ["normal"]
    balance(model, layers, factors)
    path = small.path.with_name("balanced.onnx")
    ir.save(model, path)
    assert snr(small, path) > 100  # float32 rounding alone
    even = maxima["normal"] / factors["normal"]
    assert even.max() / np.median(even) < maxima["normal"].max() / np.median(maxima["normal"]) / 3


# float8's 3 bits of mantissa leave 31.5 dB a layer, and int8's steps about as much where one channel is the largest by
# far; of four layers, of weights and activations, 20 are left
@pytest.mark.parametrize(("precision", "least"), [("int8", 20), ("fp8", 20)])
def test_the_result_is_near_and_weights_are_stored_as_codes_of_one_byte(
    small: SmallGraph, precision: str, least: float
) -> None:
    path = quantised(small, precision)
    assert snr(small, path) > least
    model = ir.load(path)
    dtype = ir.DataType.INT8 if precision == "int8" else ir.DataType.FLOAT8E4M3FN
    stored = [value for value in model.graph.initializers.values() if value.dtype == dtype and value.shape]
    assert len(stored) == 4
    for name in ("w_mid", "w_q", "w_k", "w_v"):
        assert not [value for value in model.graph.initializers if value.startswith(name)]


def test_balancing_saves_decibels_where_a_channel_is_far_larger(small: SmallGraph) -> None:
    assert snr(small, quantised(small, "int8")) > snr(small, quantised(small, "int8", balanced=False)) + 0.5


def test_onnx_runtime_fuses_every_int8_product_where_codes_are_unsigned(small: SmallGraph, tmp_path: Path) -> None:
    import onnxruntime as ort

    path = quantised(small, "int8")
    model = ir.load(path)
    assert unsigned_codes(model) == 7  # four outputs; three inputs, of which two products read one
    unsigned = path.with_name("unsigned.onnx")
    ir.save(model, unsigned)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    made = ort.InferenceSession(unsigned, options, providers=["CPUExecutionProvider"]).run(None, small.inputs)[0]
    count = Counter(node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node)
    assert (count["QLinearConv"], count["QLinearMatMul"], count["MatMul"], count["Conv"]) == (1, 3, 0, 2)
    signed = GraphRunner(path, path)(small.inputs)[small.out]
    # sums in whole numbers and in float32: an output's code may fall otherwise; where sums saturate it is 24 dB
    assert step_quality([signed], [made]) > 35
    assert unsigned_codes(ir.load(small.path)) == 0


def test_a_twin_tells_the_noise_of_its_own_layer_alone(small: SmallGraph) -> None:
    maxima, target = maxima_of(small), FORMATS["fp8"]
    model = small.load()
    layers = layers_of(model)
    scales = {name: by_range(Histogram(top=float(array.max())), target) for name, array in maxima.items()}
    add_twins(model, layers, scales, target)
    costs = costs_of(layers, [GraphRunner(model, small.path)(small.inputs)])
    assert {cost.layer for cost in costs} == {"conv_mid", "to_q", "to_k", "to_v"}
    assert [cost.sqnr for cost in costs] == sorted(cost.sqnr for cost in costs)
    # by hand, for the product that reads the sum
    model = small.load()
    model.graph.outputs.append(next(value for node in model.graph for value in node.outputs if value.name == "sum"))
    reads = GraphRunner(model, small.path)(small.inputs)["sum"]
    tensor = small.load().graph.initializers["w_v"].const_value
    assert tensor is not None
    weights = tensor.numpy()
    columns = np.abs(weights).max(0) / target.largest
    noisy = target.round(reads / scales["sum"]) * scales["sum"] @ (target.round(weights / columns) * columns)
    wanted = step_quality([reads @ weights], [noisy])
    assert next(cost.sqnr for cost in costs if cost.layer == "to_v") == pytest.approx(wanted, abs=0.05)
