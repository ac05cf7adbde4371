"""Mutations of a bundle's ONNX engines: of the graph, of its weights and of the bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx

from latentlink.bench.fuzz.mutations.mutation import Mutation, short
from latentlink.bench.fuzz.mutations.onnx_additions import endless_loop, huge_tensor, metadata, noise
from latentlink.bench.fuzz.mutations.rehash import rehash

OPERATORS = (
    "Identity", "Relu", "Sigmoid", "Exp", "Log", "Sqrt", "Reciprocal", "Neg", "Abs", "Floor", "IsNaN", "Erf", "Shape",
    "NonZero", "Transpose", "Add", "Sub", "Mul", "Div", "Pow", "MatMul", "Gather", "Concat", "Reshape", "Expand",
    "Tile", "Cast", "Softmax", "RandomNormalLike", "Dropout", "Einsum", "Loop", "If", "Scan", "NoSuchOperator",
)  # fmt: skip


def mutate_onnx(rng: Random, case: Path) -> Mutation:
    """Change one engine."""
    path = rng.choice(sorted((case / "engines").rglob("*.onnx")))
    component = path.parent.parent.name
    if rng.random() < 0.15:
        mutation = _change_bytes(rng, path)
    else:
        model = onnx.load(path, load_external_data=False)
        name = rng.choice([*CHANGES])
        detail = CHANGES[name](rng, model.graph, model, path)
        mutation = Mutation(what=name, detail=detail)
        path.write_bytes(model.SerializeToString())
    rehash(case)
    return Mutation(what=f"{component}, {mutation.what}", detail=mutation.detail)


def _change_bytes(rng: Random, path: Path) -> Mutation:
    path = rng.choice([path, path, *path.parent.glob("*.data")])
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data))
    name = rng.choice(["cut off", "a bit", "bytes inserted", "bytes removed", "zeros", "empty", "a range of NaN"])
    if name == "cut off":
        del data[at:]
    elif name == "a bit":
        data[at] ^= 1 << rng.randrange(8)
    elif name == "bytes inserted":
        data[at:at] = rng.randbytes(rng.choice([1, 2, 100]))
    elif name == "bytes removed":
        del data[at : at + rng.choice([1, 2, 100])]
    elif name == "zeros":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    elif name == "empty":
        data.clear()
    else:
        at &= ~3
        data[at : at + 4096] = (b"\x00\x00\xc0\x7f" * 1024)[: len(data[at : at + 4096])]
    path.write_bytes(data)
    kind = "weights" if path.suffix == ".data" else "bytes"
    return Mutation(what=f"{kind}: {name}", detail=f"at byte {at}")


def _node(rng: Random, graph: Any) -> Any:
    return rng.choice(graph.node)


def _operator(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = _node(rng, graph)
    old, node.op_type = node.op_type, rng.choice(OPERATORS)
    return f"{old} to {node.op_type}"


def _domain(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = _node(rng, graph)
    node.domain = rng.choice(["com.microsoft", "no.such.domain", "ai.onnx.ml", "ai.onnx.training", "x" * 10_000])
    return f"{node.op_type}: {short(node.domain)}"


def _input(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = rng.choice([one for one in graph.node if one.input])
    number = rng.randrange(len(node.input))
    names = [name for other in graph.node for name in (*other.input, *other.output)] + ["", "no such tensor"]
    old, node.input[number] = node.input[number], rng.choice(names)
    return f"{node.op_type}: {short(old)} to {short(node.input[number])}"


def _output(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = rng.choice([one for one in graph.node if one.output])
    names = [name for other in graph.node for name in other.output] + [""]
    node.output[rng.randrange(len(node.output))] = rng.choice(names)
    return str(node.op_type)


def _remove(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = _node(rng, graph)
    name = str(node.op_type)
    graph.node.remove(node)
    return name


def _bypass(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = rng.choice([one for one in graph.node if one.input and one.output])
    for other in graph.node:
        other.input[:] = [node.input[0] if name == node.output[0] else name for name in other.input]
    return str(node.op_type)


def _attribute(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = rng.choice([one for one in graph.node if one.attribute])
    attribute = rng.choice(node.attribute)
    number = rng.choice([0, 1, -1, 2, 7, 2**31, 2**62, -(2**63)])
    if attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = number
    elif attribute.floats:
        attribute.floats[rng.randrange(len(attribute.floats))] = float(number)
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = number
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = rng.choice([0.0, float("nan"), float("inf"), -1.0, 1e30])
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = rng.choice([b"", b"linear", b"nearest", b"x" * 10_000, b"\xff"])
    else:
        node.attribute.remove(attribute)
        return f"{node.op_type}: one removed"
    return f"{node.op_type}: {attribute.name} {number}"


def _attribute_type(rng: Random, graph: Any, model: Any, path: Path) -> str:
    node = rng.choice([one for one in graph.node if one.attribute])
    attribute = rng.choice(node.attribute)
    attribute.type = rng.choice([0, *onnx.AttributeProto.AttributeType.values()])
    return f"{node.op_type}: {attribute.name}"


def _weights_location(rng: Random, graph: Any, model: Any, path: Path) -> str:
    tensors = [one for one in graph.initializer if one.external_data]
    if not tensors:
        return "no weights outside"
    entry = rng.choice(rng.choice(tensors).external_data)
    entry.value = rng.choice(
        [
            "0",
            "-1",
            str(2**62),
            "1e3",
            "",
            "model.onnx",
            "../manifest.json",
            "/etc/passwd",
            "/dev/zero",
            "4",
            "x" * 5000,
        ]
    )
    return f"{entry.key}: {short(entry.value)}"


def _weights_shape(rng: Random, graph: Any, model: Any, path: Path) -> str:
    tensor = rng.choice(graph.initializer)
    dims = list(tensor.dims)
    tensor.dims[:] = rng.choice([[], [0], [*dims, 1], dims[::-1], [-1], [2**40], [2**31, 2**31], [*dims[:-1], 3]])
    return f"{dims} to {list(tensor.dims)}"


def _weights_type(rng: Random, graph: Any, model: Any, path: Path) -> str:
    tensor = rng.choice(graph.initializer)
    tensor.data_type = rng.choice([*onnx.TensorProto.DataType.values(), 99])
    return str(tensor.data_type)


def _weights_values(rng: Random, graph: Any, model: Any, path: Path) -> str:
    tensors = [one for one in graph.initializer if one.raw_data or one.external_data]
    tensor = rng.choice(tensors)
    array = onnx.numpy_helper.to_array(tensor, str(path.parent)).copy()
    if array.size and array.dtype.kind == "f":
        factor = rng.choice([0.0, -1.0, 2.0, 1.5, 1.1, 1.01, 1e4, float("nan")])
        array = (array * np.asarray(factor, array.dtype)).astype(array.dtype)
        what = f"times {factor}"
    else:
        with np.errstate(over="ignore"):
            array = array + np.asarray(rng.choice([1, 127]), array.dtype)
        what = "shifted"
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return f"{short(tensor.name)} {what}"


def _weights_order(rng: Random, graph: Any, model: Any, path: Path) -> str:
    by_shape: dict[tuple[int, ...], list[Any]] = {}
    for tensor in graph.initializer:
        by_shape.setdefault((*tensor.dims, -tensor.data_type), []).append(tensor)
    same = [found for found in by_shape.values() if len(found) > 1]
    if not same:
        return "no two of one shape"
    first, second = rng.sample(rng.choice(same), 2)
    first.name, second.name = second.name, first.name
    return f"{short(first.name)} and {short(second.name)}"


def _port(rng: Random, graph: Any, model: Any, path: Path) -> str:
    value = rng.choice([*graph.input, *graph.output])
    how = rng.choice(["name", "type", "dim", "rank", "free", "none"])
    if how == "name":
        value.name = rng.choice(["", "x", f"{value.name}_", "latent__sd__c4_f8__float32__1f0c9a2e", "\x1b[31m"])
    elif how == "type":
        value.type.tensor_type.elem_type = rng.choice([*onnx.TensorProto.DataType.values(), 99])
    elif how == "none":
        value.ClearField("type")
    else:
        dims = value.type.tensor_type.shape.dim
        if how == "rank" or not dims:
            dims.add().dim_value = 1
        elif how == "dim":
            rng.choice(dims).dim_value = rng.choice([0, 1, -1, 3, 2**40])
        else:
            rng.choice(dims).dim_param = rng.choice(["", "B", "h", "x" * 5000])
    return how


def _ports(rng: Random, graph: Any, model: Any, path: Path) -> str:
    values = rng.choice([graph.input, graph.output])
    how = rng.choice(["one removed", "one twice", "another order"])
    if how == "one removed":
        values.remove(rng.choice(values))
    elif how == "one twice":
        values.add().CopyFrom(rng.choice(values))
    else:
        order = [*values]
        rng.shuffle(order)
        copies = [type(one).FromString(one.SerializeToString()) for one in order]
        del values[:]
        values.extend(copies)
    return how


def _versions(rng: Random, graph: Any, model: Any, path: Path) -> str:
    how = rng.choice(["ir", "opset", "no opset", "another opset"])
    if how == "ir":
        model.ir_version = rng.choice([0, 1, 3, 99, 2**40])
    elif how == "opset":
        model.opset_import[0].version = rng.choice([0, 1, 7, 13, 999, -1])
    elif how == "no opset":
        del model.opset_import[:]
    else:
        model.opset_import.add().domain = "no.such.domain"
    return how


CHANGES: Mapping[str, Callable[[Random, Any, Any, Path], str]] = {
    "another operator": _operator,
    "another domain": _domain,
    "another input": _input,
    "another output": _output,
    "a node removed": _remove,
    "a node passed by": _bypass,
    "another attribute": _attribute,
    "another type of attribute": _attribute_type,
    "weights elsewhere": _weights_location,
    "weights of another shape": _weights_shape,
    "weights of another type": _weights_type,
    "other weights": _weights_values,
    "weights exchanged": _weights_order,
    "another port": _port,
    "other ports": _ports,
    "other versions": _versions,
    "a huge tensor": huge_tensor,
    "an endless loop": endless_loop,
    "noise": noise,
    "metadata": metadata,
}
"""Changes of a graph by name."""
