"""The gate of an export: as strict as float32's rounding in the model allows, and a broken graph does not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from latentlink.engine.bundle import Probes, Sampling
from latentlink.engine.quality import FLOAT32, Threshold
from latentlink.export import rounding
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component, write_onnx
from latentlink.export.parity import TORCH, compare_with_reference
from latentlink.export.probes import Golden
from latentlink.export.recipes import find_recipe
from latentlink.export.rounding import LEAST_PICTURE, MOST, rounding_threshold
from tests.export.tiny_vaes import authors_decoder, authors_encoder

Edit = Callable[[onnx.ModelProto], None]

SAMPLING = Sampling(schedule={}, sampler="euler", steps=20, guidance=1.0, width=512, height=512, size_multiple=8)


def parts(checkpoint: Path, space: str) -> dict[str, tuple[Component, Probes]]:
    """Components by name, with their golden inputs and outputs."""
    options = ExportOptions(space=space)
    opened = Checkpoint.open(checkpoint, options)
    golden = Golden(SAMPLING)
    listed = find_recipe(opened, "auto")[1].components(opened, options)
    return {one.name: (one, golden.probes(one, TORCH)) for one in listed}


@pytest.fixture(scope="module")
def random_vae(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Component, Probes]]:
    folder = tmp_path_factory.mktemp("random")
    torch.manual_seed(3)
    encoder, decoder = authors_encoder(4), authors_decoder(4)
    with torch.no_grad():
        *_, weights, bias = decoder.parameters()
        weights.mul_(9)  # pictures of all colours
        bias.add_(0.5)
    for name, half in (("encoder", encoder), ("decoder", decoder)):
        save_file(half.state_dict(), folder / f"{name}.safetensors")
    return parts(folder, "sd")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A component's graph, what it is compared with, and its threshold."""

    graph: onnx.ModelProto
    probes: Probes
    threshold: Threshold

    @classmethod
    def of(cls, component: Component, probes: Probes, folder: Path) -> Exported:
        threshold = rounding_threshold(component, probes)
        path = folder / f"{component.name}.onnx"
        example = tuple(torch.from_numpy(np.array(probes.probes[0].inputs[port.tensor])) for port in component.inputs)
        write_onnx(component.module, example, inputs=component.inputs, outputs=component.outputs, path=path)
        return cls(graph=onnx.load(path), probes=probes, threshold=threshold)

    def passes(self, folder: Path, edit: Edit | None = None) -> bool:
        """Whether the graph reaches the threshold, after an edit."""
        model = onnx.ModelProto()
        model.CopyFrom(self.graph)
        if edit is not None:
            edit(model)
        onnx.save(model, folder / "model.onnx")
        return compare_with_reference(folder / "model.onnx", [], self.probes, "float32", self.threshold).passed


def one_weight(model: onnx.ModelProto) -> None:
    """Doubles one number of a convolution in the middle."""
    kernels = [one for one in model.graph.initializer if len(one.dims) == 4 and one.dims[0] == one.dims[1]]
    middle = kernels[len(kernels) // 2]
    array = numpy_helper.to_array(middle).copy()
    array.ravel()[np.abs(array).argmax()] *= 2
    middle.CopyFrom(numpy_helper.from_array(array, middle.name))


def one_operator(model: onnx.ModelProto) -> None:
    """Takes out one ReLU in the middle."""
    relus = [node for node in model.graph.node if node.op_type == "Relu"]
    dropped = relus[len(relus) // 2]
    for node in model.graph.node:
        node.input[:] = [dropped.input[0] if name == dropped.output[0] else name for name in node.input]
    model.graph.node.remove(dropped)


def test_a_whole_graph_passes_and_a_broken_one_does_not(
    random_vae: dict[str, tuple[Component, Probes]], tmp_path: Path
) -> None:
    encoder = Exported.of(*random_vae["vae_encoder"], tmp_path)
    assert encoder.threshold.worst < FLOAT32.worst / 2  # it rounds little, and is held to that
    assert encoder.passes(tmp_path)
    assert not encoder.passes(tmp_path, one_weight)
    assert not encoder.passes(tmp_path, one_operator)


def test_a_broken_decoder_is_found_by_its_pictures(
    random_vae: dict[str, tuple[Component, Probes]], tmp_path: Path
) -> None:
    decoder = Exported.of(*random_vae["vae_decoder"], tmp_path)
    assert FLOAT32.picture_psnr <= decoder.threshold.picture_psnr <= LEAST_PICTURE
    assert decoder.passes(tmp_path)
    assert not decoder.passes(tmp_path, one_operator)


def test_the_float64_run_is_that_of_a_network_converted_to_float64(
    random_vae: dict[str, tuple[Component, Probes]],
) -> None:
    component, _ = random_vae["vae_encoder"]
    encoder: Any = component.module.core.encoder
    picture = torch.rand(1, 3, 16, 24)
    with rounding._in_float64():
        ours = encoder(picture)
    exact = authors_encoder(4)
    exact.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours, exact.double()(picture.double()), rtol=1e-12, atol=1e-12)
    assert torch.get_default_dtype() == torch.float32
    assert next(encoder.parameters()).dtype == torch.float32


def test_what_float64_cannot_run_has_the_threshold_of_all(
    random_vae: dict[str, tuple[Component, Probes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    component, probes = random_vae["vae_encoder"]

    def no_kernel(*_: object) -> None:
        raise RuntimeError("not implemented for 'Double'")

    monkeypatch.setattr(component.module, "forward", no_kernel)
    assert rounding_threshold(component, probes) == FLOAT32


def test_a_published_vae_that_rounds_much_is_held_to_no_less_and_no_more(weights: Path, tmp_path: Path) -> None:
    file = weights / "taesd" / "taesdxl_encoder.safetensors"
    encoder = Exported.of(*parts(file, "sdxl")["vae_encoder"], tmp_path)
    # torch's own float32 is 3e-5 from float64, and 4e-6 for TAESD
    assert FLOAT32.worst < encoder.threshold.worst < MOST
    assert encoder.passes(tmp_path)
    assert not encoder.passes(tmp_path, one_weight)
    assert not encoder.passes(tmp_path, one_operator)
