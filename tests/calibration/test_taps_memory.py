"""Taps keep no activation alive: a deep graph with them takes the memory of one without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.calibration.conftest import OUT, X

DEPTH, CHANNELS, SIDE = 24, 16, 256  # an activation has 4 MB

CODE = """
import resource, sys
from pathlib import Path
import numpy as np, onnx_ir as ir
from latentlink.calibration.layers import layers_of
from latentlink.calibration.taps import OFFSET, GraphRunner, tap_maxima, tap_samples, taps_of

path, kind, name, side = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
model = ir.load(path)
taps = taps_of(layers_of(model), outputs=False)
inputs = {name: np.ones((1, 4, side, side), np.float32)}
if kind == "maxima":
    tap_maxima(model, taps)
if kind == "samples":
    tap_samples(model, taps, {})
    inputs[OFFSET] = np.array([1])
run = GraphRunner(model, path, 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(inputs)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def megabytes(path: Path, kind: str) -> int:
    """What a run takes above what the opened graph takes."""
    command = [sys.executable, "-c", CODE, str(path), kind, X, str(SIDE)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_deep_graph_with_taps_takes_little_more_than_without(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = [(CHANNELS, 4), *[(CHANNELS, CHANNELS)] * DEPTH, (4, CHANNELS)]
    names = [X, *(f"a{number}" for number in range(DEPTH + 1)), OUT]
    nodes, weights = [], []
    for number, size in enumerate(sizes):
        kernel = rng.standard_normal((*size, 1, 1)).astype(np.float32) / 4
        weights.append(numpy_helper.from_array(kernel, f"w{number}"))
        reads, writes = names[number], names[number + 1]
        nodes.append(helper.make_node("Conv", [reads, f"w{number}"], [f"{writes}_conv"], name=f"conv{number}"))
        nodes.append(helper.make_node("Tanh", [f"{writes}_conv"], [writes]))  # not done in place of what is tapped
    graph = helper.make_graph(
        nodes,
        "deep",
        [helper.make_tensor_value_info(X, TensorProto.FLOAT, [1, 4, SIDE, SIDE])],
        [helper.make_tensor_value_info(OUT, TensorProto.FLOAT, [1, 4, SIDE, SIDE])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = tmp_path / "deep.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    plain = megabytes(path, "plain")
    kept = DEPTH * 4  # MB, if all of it were
    assert megabytes(path, "maxima") < plain + kept / 3
    assert megabytes(path, "samples") < plain + kept / 3
