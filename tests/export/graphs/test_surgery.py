"""A plain graph in the place of the node that stood for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from latentlink.errors import CheckpointError
from latentlink.export.graphs import PlainGraph, StandIn, write_onnx
from latentlink.ports import guidance_port, latent_port
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="demo", channels=3, downscale=2))

# Names that the exporter gives too (x, mul), weights of every kind, an output that nobody reads, a branch, and a
# scalar that is repeated for every row after a cast, as a UNet's timestep is.
PLAIN = """
<ir_version: 9, opset_import: ["": 18]>
main_graph (float[n, 3, h, w] x, float timestep) => (float[n, 3, h, w] mul, float[n, h, w, 3] unread)
<
    float[1, 3, 1, 1] weight = {1, 2, 3}, int64[1] zero = {0}, int64[3] others = {1, 2, 3},
    float limit = {4}, double half = {0.5}
>
{
    rows = Shape <start = 0, end = 1> (x)
    one = Unsqueeze (timestep, zero)
    wide = Cast <to = 11> (one)
    repeated = Expand (wide, rows)
    halved = Mul (repeated, half)
    narrow = Cast <to = 1> (halved)
    column = Unsqueeze (narrow, others)
    weighted = Mul (x, weight)
    moved = Add (weighted, column)
    over = Greater (limit, limit)
    mul = If (over) <
        then_branch = bigger () => (float[n, 3, h, w] mul) { mul = Mul (moved, weight) },
        else_branch = same () => (float[n, 3, h, w] same_mul) { same_mul = Identity (moved) }
    >
    unread = Transpose <perm = [0, 2, 3, 1]> (weighted)
}
"""


def written(path: Path, text: str = PLAIN, **changes: str) -> PlainGraph:
    """The graph as a file, with its weights beside it."""
    for old, new in changes.items():
        text = text.replace(old, new)
    path.parent.mkdir(parents=True)
    model = onnx.parser.parse_model(text)
    for tensor in (tensor for tensor in model.graph.initializer if tensor.name == "weight"):
        # as raw bytes, which alone can be outside the file
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, path, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    return PlainGraph.read(path)


class Around(nn.Module):
    """Twice the latent into the graph, one added to what it gives."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        done: Tensor = self.core(x * 2, timestep)
        return done + 1


def stand_in(graph: PlainGraph) -> StandIn:
    return StandIn(
        graph,
        arguments=("x", "timestep"),
        shapes=lambda given: {"mul": list(given["x"].shape)},
        returns=lambda outputs: outputs["mul"],
    )


def spliced(graph: PlainGraph, out: Path, around: Callable[[nn.Module], nn.Module] = Around) -> Path:
    out.mkdir()
    write_onnx(
        around(stand_in(graph)).eval(),
        (torch.randn(2, 3, 4, 5), torch.tensor([1.0, 2.0])),
        inputs=(LATENT.at("x"), guidance_port()),
        outputs=(LATENT,),
        path=out / "model.onnx",
    )
    return out / "model.onnx"


@pytest.fixture
def graph(tmp_path: Path) -> PlainGraph:
    return written(tmp_path / "unet" / "model.onnx")


def test_the_graph_computes_between_what_is_traced_around_it_with_a_scalar_of_every_row(
    graph: PlainGraph, tmp_path: Path
) -> None:
    session = ort.InferenceSession(spliced(graph, tmp_path / "out"), providers=["CPUExecutionProvider"])
    x, timestep = np.random.default_rng(0).normal(size=(3, 3, 2, 7)).astype(np.float32), np.array([1, 5, 9], np.float32)
    found = session.run(None, {LATENT.at("x").tensor: x, guidance_port().tensor: timestep})[0]
    weight = np.array([1, 2, 3], np.float32)[None, :, None, None]
    wanted = 2 * x * weight + (timestep / 2)[:, None, None, None] + 1
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)  # float32, three operations


def test_in_torch_the_module_runs_the_graph_itself(graph: PlainGraph, tmp_path: Path) -> None:
    x, timestep = torch.randn(3, 3, 2, 7), torch.tensor([1.0, 5.0, 9.0])
    session = ort.InferenceSession(spliced(graph, tmp_path / "out"), providers=["CPUExecutionProvider"])
    found = session.run(None, {LATENT.at("x").tensor: x.numpy(), guidance_port().tensor: timestep.numpy()})[0]
    np.testing.assert_allclose(Around(stand_in(graph))(x, timestep).numpy(), found, rtol=1e-6, atol=1e-6)


def test_weights_stay_beside_the_graph_and_what_nobody_reads_is_gone(graph: PlainGraph, tmp_path: Path) -> None:
    model = onnx.load(spliced(graph, tmp_path / "out"), load_external_data=False)
    names = {tensor.name for tensor in model.graph.initializer}
    assert "unet.weight" in names
    assert (graph.path.parent / "model.onnx_data").stat().st_size >= 12
    assert not any(node.op_type == "Transpose" for node in model.graph.node)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {entry.version for entry in model.opset_import} == {18}
    onnx.checker.check_model(str(tmp_path / "out" / "model.onnx"), full_check=True)


def test_a_graph_whose_result_is_the_components_own_is_spliced_too(graph: PlainGraph, tmp_path: Path) -> None:
    class Bare(Around):
        def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
            done: Tensor = self.core(x, timestep)
            return done

    session = ort.InferenceSession(spliced(graph, tmp_path / "out", Bare), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == [LATENT.tensor]


def test_a_scalar_that_is_computed_with_before_it_is_repeated_is_refused(tmp_path: Path) -> None:
    graph = written(tmp_path / "unet" / "model.onnx", **{"Unsqueeze (timestep, zero)": "Mul (timestep, limit)"})
    with pytest.raises(CheckpointError, match=r"unet/model\.onnx computes Mul from the scalar input 'timestep'"):
        spliced(graph, tmp_path / "out")


def test_a_graph_that_is_called_twice_is_no_component(graph: PlainGraph, tmp_path: Path) -> None:
    class Twice(Around):
        def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
            done: Tensor = self.core(self.core(x, timestep), timestep)
            return done

    with pytest.raises(RuntimeError, match="called twice"):
        spliced(graph, tmp_path / "out", Twice)


def test_inputs_that_the_graph_does_not_have_are_refused(graph: PlainGraph) -> None:
    with pytest.raises(CheckpointError, match=r"reads timestep, x, but a model of its family reads text, x"):
        stand_in(graph)(torch.randn(1, 3, 2, 2), text=torch.zeros(1))


def test_what_is_inside_a_graph_is_not_there_for_a_recipe(graph: PlainGraph) -> None:
    module = stand_in(graph)
    assert not hasattr(module, "text_model")
    with pytest.raises(CheckpointError, match=r"needs 'final_layer_norm' of the network in unet/model\.onnx"):
        _ = module.final_layer_norm


def test_a_graph_that_runs_at_one_size_only_is_refused_with_the_sizes_tried(tmp_path: Path) -> None:
    graph = written(
        tmp_path / "unet" / "model.onnx",
        **{
            "{1, 2, 3}, int64[1] zero": "{1, 2, 3}, int64[4] size = {2, 3, 4, 5}, int64[1] zero",
            "weighted = Mul (x, weight)": "sized = Reshape (x, size) weighted = Mul (sized, weight)",
        },
    )
    stand_in(graph)(torch.randn(2, 3, 4, 5), torch.tensor(1.0))
    with pytest.raises(CheckpointError, match=r"unet/model\.onnx does not run with x \[2, 3, 4, 7\], timestep \[\]"):
        stand_in(graph)(torch.randn(2, 3, 4, 7), torch.tensor(1.0))
