"""Rows are selected without row numbers: the same values, and nothing for a GPU to wait for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from latentlink.engine.bundle import Bundle
from latentlink.engine.passes.slice_rows import slice_rows
from latentlink.runtime import bundle_path
from tests.runtime.sessions.gpu.partition import copies


def graph_of(bundle: str, component: str = "denoiser") -> Path:
    opened = Bundle.open(bundle_path(bundle))
    return opened.file(opened.manifest.components[component].engines[0].path)


def outputs(path: Path, pictures: int, rows: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    sizes = {"B": pictures, "N": rows, "h": 8, "w": 8, "S": 77}
    random = np.random.default_rng(5)
    feeds = {
        one.name: random.standard_normal([sizes.get(n, n) for n in one.shape], np.float32)
        for one in session.get_inputs()
    }
    return session.run(None, feeds)  # type: ignore[no-any-return]


@pytest.mark.parametrize("bundle", ["demo", "demo-b"])
@pytest.mark.parametrize("component", ["denoiser", "denoiser_shallow"])
def test_a_step_computes_the_same_and_copies_nothing_between_host_and_gpu(
    bundle: str, component: str, tmp_path: Path
) -> None:
    source = graph_of(bundle, component)
    model = ir.load(source)
    assert copies(model)
    assert slice_rows(model) == 4
    assert copies(model) == []
    assert "GatherND" not in {node.op_type for node in model.graph}
    ir.save(model, tmp_path / "sliced.onnx", external_data="sliced.onnx.data")
    for pictures, rows in ((1, 1), (1, 2), (3, 3), (3, 6)):
        made, wanted = outputs(tmp_path / "sliced.onnx", pictures, rows), outputs(source, pictures, rows)
        for one, other in zip(made, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_other_gathers_stay(tmp_path: Path) -> None:
    source = graph_of("demo", "text_encoder")
    model = ir.load(source)
    before = [node.op_type for node in model.graph]
    assert slice_rows(model) == 0
    assert [node.op_type for node in model.graph] == before


@pytest.mark.parametrize("broken", ["Mod", "Range", "Unsqueeze"])
def test_what_is_not_quite_a_selection_of_rows_stays(broken: str) -> None:
    model = ir.load(graph_of("demo"))
    for node in model.graph:
        if node.op_type == broken:
            node.op_type = "Identity"
    assert slice_rows(model) < 4
