"""ONNX Runtime sessions on graphs of one node: ports read back, buffers kept, no silent fall-back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from latentlink.cli.shared.words import running
from latentlink.engine.targets import TARGETS
from latentlink.errors import BundleError, UsageError
from latentlink.ports import Port, latent_port
from latentlink.runtime import loading
from latentlink.runtime.linking import opening
from latentlink.runtime.sessions import open_session
from latentlink.runtime.sessions.ort import OrtSession
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="one", channels=4, downscale=8))


def doubler(path: Path, *, reads: str, writes: str, elem: int = TensorProto.FLOAT) -> Path:
    """A graph that adds its input to itself."""
    shape: list[str | int | None] = ["B", 4, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Add", [reads, reads], [writes])],
        "doubler",
        [helper.make_tensor_value_info(reads, elem, shape)],
        [helper.make_tensor_value_info(writes, elem, shape)],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_ports_are_read_back_from_the_engine(tmp_path: Path) -> None:
    session = open_session(doubler(tmp_path / "m.onnx", reads=LATENT.at("x").tensor, writes=LATENT.tensor), "ort-cpu")
    assert session.inputs == (LATENT.at("x"),)
    assert session.outputs == (LATENT,)


def test_a_run_writes_into_the_buffer_it_is_given(tmp_path: Path) -> None:
    x, y = LATENT.at("x").tensor, LATENT.tensor
    session = open_session(doubler(tmp_path / "m.onnx", reads=x, writes=y), "ort-cpu")
    values = np.arange(4 * 2 * 3, dtype=np.float32).reshape(1, 4, 2, 3)
    given, taken = session.upload(values), session.empty(values.shape, values.dtype)
    session.run({x: given}, {y: taken})
    assert np.array_equal(taken.numpy(), 2 * values)
    session.write(given, values + 1)
    session.run({x: given}, {y: taken})
    assert np.array_equal(taken.numpy(), 2 * values + 2)
    made = session.run({x: given}, {y: None})
    assert np.array_equal(made[y].numpy(), 2 * values + 2)


def test_an_uploaded_buffer_does_not_change_with_its_array(tmp_path: Path) -> None:
    x, y = LATENT.at("x").tensor, LATENT.tensor
    session = open_session(doubler(tmp_path / "m.onnx", reads=x, writes=y), "ort-cpu")
    values = np.ones((1, 4, 1, 1), np.float32)
    buffer = session.upload(values)
    values[:] = 7
    assert buffer.numpy().max() == 1


def test_a_tensor_without_a_symbol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="'sample' that carries no symbol"):
        open_session(doubler(tmp_path / "m.onnx", reads="sample", writes=LATENT.tensor), "ort-cpu")


def test_a_tensor_whose_type_is_not_the_one_in_its_name_is_refused(tmp_path: Path) -> None:
    path = doubler(tmp_path / "m.onnx", reads=LATENT.at("x").tensor, writes=LATENT.tensor, elem=TensorProto.FLOAT16)
    with pytest.raises(BundleError, match="but its name says float32"):
        open_session(path, "ort-cpu")


def test_a_file_that_is_no_engine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(BundleError, match="cannot be opened by ONNX Runtime"):
        open_session(path, "ort-cpu")


def test_an_engine_says_which_provider_runs_how_many_of_its_nodes(tmp_path: Path) -> None:
    path = doubler(tmp_path / "m.onnx", reads=LATENT.at("x").tensor, writes=LATENT.tensor)
    assert open_session(path, "ort-cpu").placement() == {"CPUExecutionProvider": 1}


def test_where_the_nodes_of_a_gpu_engine_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu = {name: replace(target, gpu=True) for name, target in TARGETS.items()}
    monkeypatch.setattr(opening, "TARGETS", on_gpu)
    with loading.load("demo") as pipe:
        (line,) = running([one for one in pipe.decisions if one.component == "denoiser"])
    assert re.fullmatch(r"denoiser: ort-cpu \(float32\), \d+ nodes on CPUExecutionProvider", line)


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ort-cpu"):
        open_session(tmp_path / "m.onnx", "abacus")


def test_what_onnxruntime_raises_is_told_as_the_engines_failure(tmp_path: Path) -> None:
    x, y = LATENT.at("x").tensor, LATENT.tensor
    path = doubler(tmp_path / "denoiser" / "ort-cpu" / "m.onnx", reads=x, writes=y)
    session = open_session(path, "ort-cpu")
    five_channels = session.upload(np.ones((1, 5, 1, 1), np.float32))
    with pytest.raises(BundleError, match=r"The engine denoiser/ort-cpu/m\.onnx failed: .*invalid dimensions"):
        session.run({x: five_channels}, {y: None})
    with pytest.raises(BundleError, match="failed"):
        session.run({"z": five_channels}, {y: None})


# the words of its arena (bfc_arena.cc) and of CUDA
@pytest.mark.parametrize(
    "words", ["Failed to allocate memory for requested buffer of size 1099511627776", "CUDA failure 2: out of memory"]
)
def test_want_of_memory_is_not_the_engines_fault(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = LATENT.at("x").tensor, LATENT.tensor
    session = OrtSession(doubler(tmp_path / "m.onnx", reads=x, writes=y), "ort-cpu", None)
    buffer = session.upload(np.ones((1, 4, 1, 1), np.float32))

    class Full:
        def io_binding(self) -> None:
            raise RuntimeError(words)

    monkeypatch.setattr(session._engine, "session", Full())
    with pytest.raises(MemoryError):
        session.run({x: buffer}, {y: None})

    def full(*arguments: object, **more: object) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_shape_and_type", full)
    with pytest.raises(MemoryError):
        session.upload(np.ones((1, 4, 1, 1), np.float32))


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    x, y = LATENT.at("x").tensor, LATENT.tensor
    session = open_session(doubler(tmp_path / "m.onnx", reads=x, writes=y), "ort-cpu")
    buffer = session.upload(np.ones((1, 4, 1, 1), np.float32))
    session.close()
    session.close()
    with pytest.raises(UsageError, match=r"m\.onnx is closed"):
        session.run({x: buffer}, {y: None})


def test_a_port_keeps_the_shape_that_the_engine_has() -> None:
    assert Port.parse(LATENT.tensor, ("B", 4, 8, 8)).shape == ("B", 4, 8, 8)
