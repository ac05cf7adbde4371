"""Copies of bundles with faults, as a careless or a dishonest person would make them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from latentlink.engine.bundle import Bundle, ComponentEntry, EngineEntry, Fact, Manifest, write_bundle
from latentlink.engine.bundle.component_entry import ports_digest
from latentlink.ports import Port, latent_port
from latentlink.spaces import LatentSpace, digest

SHORT = 8
"""Constants of a graph with fewer elements are not weights."""

Edit = Callable[[onnx.ModelProto], None]
"""Edits an engine's graph in place."""


def copy_bundle(
    source: Path, out: Path, edits: Mapping[str, Edit], change: Callable[[Manifest], Manifest] = lambda m: m
) -> Path:
    """Copy a bundle of ONNX engines, edit some of them, and hash everything again: it looks like a build.

    Args:
        source: Bundle to copy.
        out: Folder to make.
        edits: Edits by component.
        change: Change of the manifest.

    Returns:
        `out`.
    """
    bundle = Bundle.open(source)
    shutil.copytree(source, out)
    (out / "manifest.json").unlink()
    for component, edit in edits.items():
        for engine in bundle.manifest.components[component].engines:
            path = out / engine.path
            model = onnx.load(path)
            edit(model)
            for file in path.parent.iterdir():
                file.unlink()
            onnx.save(model, path)
    write_bundle(out, replace(change(bundle.manifest), files={}))
    return out


def disguise(engine: EngineEntry, facts: Mapping[str, Fact] | None = None, **changes: Any) -> EngineEntry:
    """An engine's entry with other values, and a fingerprint with other facts that agrees with them."""
    changed = replace(engine, **changes)
    kept = {key: fact for key, fact in engine.fingerprint.items() if key not in ("digest", "limits")}
    whole = {**kept, "precision": changed.precision, **(facts or {})}
    return replace(changed, fingerprint={**whole, "digest": digest(whole)})


def rename_tensors(names: Mapping[str, str]) -> Edit:
    """Renames tensors, which changes symbols."""

    def edit(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.name = names.get(value.name, value.name)
        for node in model.graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]

    return edit


def engine_of(other: Path, component: str) -> Edit:
    """Puts the engine of another bundle in the place of an engine, under its symbols."""
    bundle = Bundle.open(other)

    def edit(model: onnx.ModelProto) -> None:
        taken = onnx.load(bundle.file(bundle.manifest.components[component].engines[0].path))
        theirs, ours = ((*graph.input, *graph.output) for graph in (taken.graph, model.graph))
        rename_tensors({a.name: b.name for a, b in zip(theirs, ours, strict=True)})(taken)
        model.CopyFrom(taken)

    return edit


def forge_symbols(source: Path, out: Path, component: str, host: Bundle) -> Path:
    """A copy of a bundle whose component has the symbols of `host`, in its engines and in its manifest."""
    theirs, ours = Bundle.open(source).manifest.components[component], host.manifest.components[component]
    names = {
        a.tensor: b.tensor
        for a, b in zip((*theirs.inputs, *theirs.outputs), (*ours.inputs, *ours.outputs), strict=True)
    }
    return _renamed_copy(source, out, component, names, host.manifest.spaces)


def rename_space(source: Path, out: Path, component: str, space: LatentSpace) -> Path:
    """A copy of a bundle whose component states `space` for its latents."""
    entry = Bundle.open(source).manifest.components[component]
    names = {
        port.tensor: latent_port(space, port.dtype).at(port.slot).tensor if port.kind == "latent" else port.tensor
        for port in (*entry.inputs, *entry.outputs)
    }
    return _renamed_copy(source, out, component, names, (space,))


def _renamed_copy(
    source: Path, out: Path, component: str, names: Mapping[str, str], spaces: tuple[LatentSpace, ...]
) -> Path:
    def change(manifest: Manifest) -> Manifest:
        entry = manifest.components[component]
        inputs, outputs = _named(entry.inputs, names), _named(entry.outputs, names)
        engines = tuple(disguise(engine, {"ports": ports_digest(inputs, outputs)}) for engine in entry.engines)
        named = replace(entry, inputs=inputs, outputs=outputs, engines=engines)
        components: dict[str, ComponentEntry] = {**manifest.components, component: named}
        return replace(manifest, components=components, spaces=spaces)

    return copy_bundle(source, out, {component: rename_tensors(names)}, change)


def _named(ports: tuple[Port, ...], names: Mapping[str, str]) -> tuple[Port, ...]:
    return tuple(Port.parse(names[port.tensor], port.shape) for port in ports)


def affine_input(tensor: str, factor: Any, shift: Any) -> Edit:
    """Scales and shifts an engine's input `tensor`, by numbers or arrays `[1, C, 1, 1]`."""

    def edit(model: onnx.ModelProto) -> None:
        _behind(model, tensor, f"{tensor}.moved")
        constants = {f"{tensor}.factor": factor, f"{tensor}.shift": shift}
        for name, value in constants.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
        names = [*constants]
        _first(
            model,
            onnx.helper.make_node("Mul", [tensor, names[0]], [f"{tensor}.scaled"]),
            onnx.helper.make_node("Add", [f"{tensor}.scaled", names[1]], [f"{tensor}.moved"]),
        )

    return edit


def permuted_input(tensor: str, order: NDArray[np.int64]) -> Edit:
    """Permutes the channels of an engine's input `tensor`."""

    def edit(model: onnx.ModelProto) -> None:
        _behind(model, tensor, f"{tensor}.permuted")
        model.graph.initializer.append(onnx.numpy_helper.from_array(order, f"{tensor}.order"))
        _first(
            model,
            onnx.helper.make_node("Gather", [tensor, f"{tensor}.order"], [f"{tensor}.permuted"], axis=1),
        )

    return edit


def noisy_weights(share: float, seed: int) -> Edit:
    """Adds noise to every weight, with a deviation that is a share of the weights' own."""

    def edit(model: onnx.ModelProto) -> None:
        rng = np.random.default_rng(seed)

        def noisy(array: NDArray[np.float32]) -> NDArray[np.float32]:
            noise: NDArray[np.float32] = rng.standard_normal(array.shape, np.float32)
            return array + np.float32(share * array.std()) * noise

        change_weights(model, noisy)

    return edit


def change_weights(
    model: onnx.ModelProto,
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    chosen: Callable[[onnx.TensorProto], bool] = lambda tensor: True,
) -> None:
    """Change every chosen weight; short tensors are not weights but scales, exponents and the like."""
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size >= SHORT and chosen(tensor):
            tensor.CopyFrom(onnx.numpy_helper.from_array(change(array), tensor.name))


def named_weights(part: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Edit:
    """Changes every float32 tensor whose name contains `part`."""

    def edit(model: onnx.ModelProto) -> None:
        chosen = [one for one in model.graph.initializer if part in one.name and one.data_type == 1]
        if not chosen:
            raise ValueError(f"No weights are called {part!r}.")
        for one in chosen:
            one.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(one).copy()), one.name))

    return edit


def nan_first(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The array with NaN as its first element."""
    array.reshape(-1)[0] = np.nan
    return array


def times(factor: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Multiplies an array."""
    return lambda array: array * np.float32(factor)


def overflow(model: onnx.ModelProto) -> None:
    """Scale the first convolution's output beyond the range of half precision.

    Overflowing values become infinite, and NaN after the next normalisation, as in a VAE that was trained in float32.
    """
    nodes = list(model.graph.node)
    at = next(number for number, node in enumerate(nodes) if node.op_type == "Conv")
    written = nodes[at].output[0]
    nodes[at].output[0] = "before"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1e6, np.float32), "large"))
    through = [
        onnx.helper.make_node("Mul", ["before", "large"], ["grown"]),
        onnx.helper.make_node("Cast", ["grown"], ["half"], to=onnx.TensorProto.FLOAT16),
        onnx.helper.make_node("Cast", ["half"], [written], to=onnx.TensorProto.FLOAT),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: at + 1], *through, *nodes[at + 1 :]])


def white_noise(model: onnx.ModelProto) -> None:
    """Replace the output before rounding by noise, like memory that was never written."""
    last = model.graph.node[-1]
    noise = onnx.helper.make_node("RandomUniformLike", [last.input[0]], ["noise"], low=0.0, high=255.0, seed=1.0)
    last.input[0] = "noise"
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:-1], noise, last])


def _behind(model: onnx.ModelProto, tensor: str, other: str) -> None:
    """Make all nodes read `other` instead of `tensor`."""
    for node in model.graph.node:
        node.input[:] = [other if name == tensor else name for name in node.input]


def _first(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Insert nodes before all others."""
    after = [*model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *after])
