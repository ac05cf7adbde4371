"""What a plain graph's file says of itself, and files that are not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.optimum.weights import PlainWeights
from latentlink.export.graphs import PlainGraph
from latentlink.export.graphs.plain import PlainTensor
from latentlink.export.parts.identity import weights_sha256

TEXT = """
<ir_version: 9, opset_import: ["": 18]>
main (float[n, 3] sample, float timestep) => (float[n, 3] out_sample)
<float[3] weight = {1, 2, 3}, int64[1] zero = {0}>
{
    scaled = Mul (sample, weight)
    out_sample = Add (scaled, timestep)
}
"""


def graph_file(folder: Path, text: str = TEXT) -> Path:
    folder.mkdir(parents=True)
    path = folder / "model.onnx"
    model = onnx.parser.parse_model(text)
    for tensor in model.graph.initializer:
        # as raw bytes, which alone can be outside the file
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, path, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    return path


def test_names_dtypes_and_free_dimensions_are_read_and_weights_are_not(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "unet")
    (path.parent / "model.onnx_data").write_bytes(b"")
    graph = PlainGraph.read(path)
    assert (graph.opset, graph.dtype, graph.title) == (18, "float32", "unet/model.onnx")
    assert graph.inputs == {
        "sample": PlainTensor(dtype="float32", shape=(None, 3)),
        "timestep": PlainTensor(dtype="float32", shape=()),
    }
    assert [*graph.outputs] == ["out_sample"]


@pytest.mark.parametrize("opset", [11, 17, 99])
def test_operators_of_another_age_are_refused(tmp_path: Path, opset: int) -> None:
    path = graph_file(tmp_path / "unet", TEXT.replace('"": 18', f'"": {opset}'))
    with pytest.raises(CheckpointError, match=rf"opset {opset}; expected 18 to 23\. Export it again"):
        PlainGraph.read(path)


def test_weights_that_no_cpu_kernel_computes_with_are_refused(tmp_path: Path) -> None:
    path = graph_file(tmp_path / "unet")
    model = onnx.load(path)
    weight = np.ones(3, np.float32).view(np.uint16)[1::2]
    model.graph.initializer[0].CopyFrom(
        onnx.helper.make_tensor("weight", onnx.TensorProto.BFLOAT16, [3], weight.tobytes(), raw=True)
    )
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="BFLOAT16; expected FLOAT or FLOAT16"):
        PlainGraph.read(path)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/weights"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    path = graph_file(tmp_path / "unet")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=f"{location}'; expected a file beside it"):
        PlainGraph.read(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"lacks unet/model\.onnx"):
        PlainGraph.read(tmp_path / "unet" / "model.onnx")
    path = graph_file(tmp_path / "unet")
    (path.parent / "model.onnx_data").unlink()
    with pytest.raises(CheckpointError, match=r"model\.onnx_data', which is not there"):
        PlainGraph.read(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\x08\x09"])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "unet" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        PlainGraph.read(path)


def test_float_weights_are_a_state_dict_and_tell_two_graphs_apart(tmp_path: Path) -> None:
    first = PlainWeights(graph_file(tmp_path / "a"), prefix="encoder.")
    second = PlainWeights(graph_file(tmp_path / "b", TEXT.replace("{1, 2, 3}", "{1, 2, 4}")), prefix="encoder.")
    assert [*first] == ["encoder.weight"]
    assert torch.equal(first["encoder.weight"], torch.tensor([1.0, 2.0, 3.0]))
    assert weights_sha256(first) != weights_sha256(second)


def test_weights_that_must_not_decide_raise_when_they_are_read_and_not_before(tmp_path: Path) -> None:
    weights = PlainWeights(graph_file(tmp_path / "a"), refusal=CheckpointError("No."))
    with pytest.raises(CheckpointError, match="No"):
        len(weights)
