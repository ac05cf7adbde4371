"""Nodes that a hostile graph may hold: a tensor that fits in no memory, a loop without end, noise."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx

from latentlink.bench.fuzz.mutations.mutation import short

LARGE = (1 << 40, 1 << 50)
"""Numbers of elements that no machine can hold."""


def huge_tensor(rng: Random, graph: Any, model: Any, path: Path) -> str:
    """A tensor of the output's value, made by way of one that no machine can hold."""
    output = rng.choice(graph.output).name
    operator = rng.choice(["ConstantOfShape", "Expand", "Tile", "Range", "Pad"])
    count = rng.choice(LARGE)
    make, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    graph.initializer.append(tensor(np.array([count], np.int64), "fuzz.count"))
    graph.initializer.append(tensor(np.array([1.0], np.float32), "fuzz.one"))
    graph.initializer.append(tensor(np.array(0, np.int64), "fuzz.zero"))
    graph.initializer.append(tensor(np.array(count, np.int64), "fuzz.end"))
    graph.initializer.append(tensor(np.array(1, np.int64), "fuzz.step"))
    graph.initializer.append(tensor(np.array([0, count], np.int64), "fuzz.pads"))
    inputs = {
        "ConstantOfShape": ["fuzz.count"],
        "Expand": ["fuzz.one", "fuzz.count"],
        "Tile": ["fuzz.one", "fuzz.count"],
        "Range": ["fuzz.zero", "fuzz.end", "fuzz.step"],
        "Pad": ["fuzz.one", "fuzz.pads"],
    }[operator]
    graph.node.add().CopyFrom(make(operator, inputs, ["fuzz.large"]))
    graph.node.add().CopyFrom(make("ReduceMin", ["fuzz.large"], ["fuzz.least"], keepdims=0))
    for node in graph.node:
        node.output[:] = ["fuzz.before" if name == output else name for name in node.output]
    kind = next(value.type.tensor_type.elem_type for value in graph.output if value.name == output)
    graph.node.add().CopyFrom(make("Cast", ["fuzz.least"], ["fuzz.cast"], to=kind))
    graph.node.add().CopyFrom(make("Mul", ["fuzz.cast", "fuzz.cast"], ["fuzz.square"]))
    graph.node.add().CopyFrom(make("Where", ["fuzz.never", "fuzz.square", "fuzz.before"], [output]))
    graph.initializer.append(tensor(np.array(False), "fuzz.never"))
    return f"{operator} of {count}"


def endless_loop(rng: Random, graph: Any, model: Any, path: Path) -> str:
    """A loop of 2^62 turns before the output."""
    output = rng.choice(graph.output).name
    make, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    body = onnx.helper.make_graph(
        [make("Identity", ["go"], ["on"]), make("Add", ["sum", "sum"], ["next"])],
        "body",
        [info("turn", onnx.TensorProto.INT64, []), info("go", onnx.TensorProto.BOOL, []), info("sum", 1, [1])],
        [info("on", onnx.TensorProto.BOOL, []), info("next", 1, [1])],
    )
    tensor = onnx.numpy_helper.from_array
    graph.initializer.append(tensor(np.array(2**62, np.int64), "fuzz.turns"))
    graph.initializer.append(tensor(np.array(True), "fuzz.go"))
    graph.initializer.append(tensor(np.array([0.0], np.float32), "fuzz.start"))
    for node in graph.node:
        node.output[:] = ["fuzz.before" if name == output else name for name in node.output]
    kind = next(value.type.tensor_type.elem_type for value in graph.output if value.name == output)
    graph.node.add().CopyFrom(make("Loop", ["fuzz.turns", "fuzz.go", "fuzz.start"], ["fuzz.sum"], body=body))
    graph.node.add().CopyFrom(make("Cast", ["fuzz.sum"], ["fuzz.cast"], to=kind))
    graph.node.add().CopyFrom(make("Add", ["fuzz.before", "fuzz.cast"], [output]))
    return str(output)


def noise(rng: Random, graph: Any, model: Any, path: Path) -> str:
    """Noise on a tensor inside the graph: every run gives another result."""
    node = rng.choice([one for one in graph.node if one.output])
    name, scale = node.output[0], rng.choice([1e-3, 1e-1, 1.0])
    make = onnx.helper.make_node
    node.output[0] = "fuzz.before"
    at = [*graph.node].index(node) + 1
    nodes = [*graph.node]
    more = [
        make("RandomNormalLike", ["fuzz.before"], ["fuzz.noise"], scale=scale),
        make("Add", ["fuzz.before", "fuzz.noise"], [name]),
    ]
    copies = [type(one).FromString(one.SerializeToString()) for one in (*nodes[:at], *more, *nodes[at:])]
    del graph.node[:]
    graph.node.extend(copies)
    return f"{node.op_type}: {scale}"


def metadata(rng: Random, graph: Any, model: Any, path: Path) -> str:
    """An entry that ONNX Runtime or a reader of metadata may act on."""
    entry = model.metadata_props.add()
    entry.key = rng.choice(["", "ort_config", "session.intra_op_num_threads", "x" * 100_000])
    entry.value = rng.choice(["", '{"session_options": {"intra_op_num_threads": 100000}}', "x" * 100_000])
    return short(entry.key)
