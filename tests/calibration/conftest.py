"""A small denoiser's graph with every kind of layer, and the demo bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import latentlink
from latentlink.ports import latent_port
from latentlink.runtime import Pipeline
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="one", channels=4, downscale=8))
X, OUT = LATENT.at("x").tensor, LATENT.tensor
CHANNELS = 32


class SmallGraph:
    """`conv_in`, then a convolution, a normalisation that two products read, a third product, and `conv_out`.

    The normalisation has a channel that is far larger than the others.
    """

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        c = CHANNELS

        def normal(*shape: int) -> NDArray[np.float32]:
            made: NDArray[np.float32] = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
            return made

        gain = np.ones(c, np.float32)
        gain[3] = 60
        weights: dict[str, NDArray[Any]] = {
            "w_in": normal(c, 4, 3, 3),
            "w_mid": normal(c, c, 3, 3),
            "b_mid": normal(c),
            "gain": gain,
            "bias": normal(c),
            "w_q": normal(c, c),
            "w_k": normal(c, c),
            "w_v": normal(c, c),
            "w_out": normal(4, c, 1, 1),
            "rows": np.array([0, c, -1], np.int64),
            "picture": np.array([0, c, 6, 6], np.int64),
        }
        node = helper.make_node
        nodes = [
            node("Conv", [X, "w_in"], ["first"], name="conv_in", pads=[1] * 4),
            node("Conv", ["first", "w_mid", "b_mid"], ["middle"], name="conv_mid", pads=[1] * 4),
            node("Reshape", ["middle", "rows"], ["flat"]),
            node("Transpose", ["flat"], ["tokens"], perm=[0, 2, 1]),
            node("LayerNormalization", ["tokens", "gain", "bias"], ["normal"]),
            node("MatMul", ["normal", "w_q"], ["q"], name="to_q"),
            node("MatMul", ["normal", "w_k"], ["k"], name="to_k"),
            node("Add", ["q", "k"], ["sum"]),
            node("MatMul", ["sum", "w_v"], ["v"], name="to_v"),
            node("Transpose", ["v"], ["back"], perm=[0, 2, 1]),
            node("Reshape", ["back", "picture"], ["shaped"]),
            node("Conv", ["shaped", "w_out"], [OUT], name="conv_out"),
        ]
        graph = helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info(X, TensorProto.FLOAT, [1, 4, 6, 6])],
            [helper.make_tensor_value_info(OUT, TensorProto.FLOAT, [1, 4, 6, 6])],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        self.path = folder / "small.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(model), self.path)
        self.inputs = {X: rng.standard_normal((1, 4, 6, 6)).astype(np.float32)}
        self.out = OUT
        self.load: Callable[[], ir.Model] = lambda: ir.load(self.path)


@pytest.fixture(scope="module")
def demo() -> Iterator[Pipeline]:
    """The demo bundle, open."""
    with latentlink.load("demo") as pipe:
        yield pipe


@pytest.fixture
def small(tmp_path: Path) -> SmallGraph:
    """The graph, written."""
    return SmallGraph(tmp_path)
