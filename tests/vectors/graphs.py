"""Small engines that the native runtime opens in its tests: graphs of `engines/`, written by `tests.vectors.write`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from latentlink.engine.targets.openvino_module import openvino
from latentlink.ports import latent_port
from latentlink.spaces import LatentSpace

SPACE = LatentSpace(name="one", channels=4, downscale=8)
READS, WRITES = latent_port(SPACE).at("x").tensor, latent_port(SPACE).tensor

LENGTH = 200
"""Nodes of the chain: with large tensors it runs long enough to be cancelled."""


def graph(steps: int, reads: str, writes: str, elem: int = TensorProto.FLOAT, operator: str = "Add") -> ModelProto:
    """A graph of a chain of nodes, each of which adds its input to itself, or does another thing with it."""
    names = [reads, *(f"n{step}" for step in range(1, steps)), writes]
    nodes = [helper.make_node(operator, [a, a][: 1 + (operator == "Add")], [b]) for a, b in pairwise(names)]
    values = [helper.make_tensor_value_info(name, elem, ["B", 4, "h", "w"]) for name in (reads, writes)]
    made = helper.make_graph(nodes, "graph", values[:1], values[1:])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10, producer_name="")


def typed(dtype: str) -> tuple[str, str]:
    """The tensors' names in another dtype."""
    port = latent_port(SPACE, dtype)
    return port.at("x").tensor, port.tensor


def graphs() -> Mapping[str, bytes]:
    """The graphs by file name."""
    made = {
        "doubler": graph(1, READS, WRITES),
        "chain": graph(LENGTH, READS, WRITES),
        "half": graph(1, *typed("float16"), TensorProto.FLOAT16),
        "brain": graph(1, *typed("bfloat16"), TensorProto.BFLOAT16, "Identity"),
        "disguised": graph(1, READS, WRITES, TensorProto.FLOAT16),
        "nameless": graph(1, "sample", WRITES),
    }
    return {f"{name}.onnx": model.SerializeToString(deterministic=True) for name, model in made.items()}


def write_endless(path: Path) -> None:
    """Write an engine of OpenVINO with a loop that ends after 2**62 turns, which both runtimes refuse."""
    ov: Any = openvino()
    op = ov.opset13
    turn, go = op.parameter([1, 4, 2, 2], np.float32), op.constant(True)
    twice = op.add(turn, turn)
    loop = op.loop(op.constant(2**62), op.constant(True))
    loop.set_function(ov.Model([twice, go], [turn]))
    loop.set_special_body_ports([-1, 1])
    given = op.parameter([1, 4, 2, 2], np.float32)
    loop.set_merged_input(turn, given.output(0), twice.output(0))
    ov.save_model(ov.Model([loop.get_iter_value(twice.output(0), -1)], [given]), path)
