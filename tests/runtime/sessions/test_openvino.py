"""OpenVINO sessions on graphs of one node: ports read back, buffers kept, errors told as what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from latentlink import processors
from latentlink.engine.targets import openvino_engine, openvino_module
from latentlink.engine.targets.openvino_engine import OpenVinoEngine
from latentlink.engine.targets.openvino_module import openvino
from latentlink.errors import BundleError, PreflightError, UsageError
from latentlink.runtime.sessions import Session, open_session
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.openvino import OpenVinoSession
from tests.runtime.sessions.test_sessions import LATENT, doubler

X, Y = LATENT.at("x").tensor, LATENT.tensor


def engine(folder: Path, *, reads: str = X, writes: str = Y, elem: int = TensorProto.FLOAT) -> Path:
    """A graph that adds its input to itself, as OpenVINO IR."""
    ov: Any = openvino()
    out = folder / "denoiser" / "openvino-cpu" / "model.xml"
    out.parent.mkdir(parents=True)
    model = ov.Core().read_model(doubler(folder / "m.onnx", reads=reads, writes=writes, elem=elem))
    ov.save_model(model, out, compress_to_fp16=False)
    return out


def test_an_engine_that_may_repeat_for_ever_is_refused(tmp_path: Path) -> None:
    ov: Any = openvino()
    op = ov.opset13
    turn, go = op.parameter([1, 4, 2, 2], np.float32), op.constant(True)
    twice = op.add(turn, turn)
    loop = op.loop(op.constant(2**62), op.constant(True))
    loop.set_function(ov.Model([twice, go], [turn]))
    loop.set_special_body_ports([-1, 1])
    given = op.parameter([1, 4, 2, 2], np.float32)
    loop.set_merged_input(turn, given.output(0), twice.output(0))
    out = tmp_path / "denoiser" / "openvino-cpu" / "model.xml"
    out.parent.mkdir(parents=True)
    ov.save_model(ov.Model([loop.get_iter_value(twice.output(0), -1)], [given]), out)
    with pytest.raises(BundleError, match="the operator Loop, which may repeat for ever"):
        open_session(out, "openvino-cpu", threads=1)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session on that graph."""
    return open_session(engine(tmp_path), "openvino-cpu", threads=1)


def test_ports_are_read_back_from_the_engine(session: Session) -> None:
    assert session.inputs[0].tensor == X
    assert session.outputs[0].tensor == Y
    assert session.inputs[0].shape[1] == 4
    assert [isinstance(dim, str) for dim in session.inputs[0].shape] == [True, False, True, True]


def test_a_run_writes_into_the_buffer_it_is_given_at_any_size(session: Session) -> None:
    before = CLOCK.engines
    for width in (3, 5, 3):
        values = np.arange(4 * 2 * width, dtype=np.float32).reshape(1, 4, 2, width)
        given, taken = session.upload(values), session.empty(values.shape, values.dtype)
        address = taken.numpy().ctypes.data
        done = session.run({X: given}, {Y: taken})
        assert done[Y] is taken
        assert taken.numpy().ctypes.data == address
        assert np.array_equal(taken.numpy(), 2 * values)
        session.write(given, values + 1)
        session.run({X: given}, {Y: taken})
        assert np.array_equal(taken.numpy(), 2 * values + 2)
    assert CLOCK.engines > before


def test_what_was_compiled_for_earlier_sizes_can_be_dropped(session: Session) -> None:
    assert isinstance(session, OpenVinoSession)
    assert session._engine is not None
    ones = np.ones((1, 4, 2, 3), np.float32)
    session.run({X: session.upload(ones)}, {Y: None})
    assert len(session._engine._compiled) == 1
    session.trim()
    assert session._engine._compiled == {}
    assert np.array_equal(session.run({X: session.upload(ones)}, {Y: None})[Y].numpy(), 2 * ones)


def test_an_output_that_is_made_is_not_written_by_the_next_run(session: Session) -> None:
    ones = np.ones((2, 4, 1, 1), np.float32)
    first = session.run({X: session.upload(ones)}, {Y: None})[Y].numpy()
    second = session.run({X: session.upload(3 * ones)}, {Y: None})[Y].numpy()
    assert np.array_equal(first, 2 * ones)
    assert np.array_equal(second, 6 * ones)


def test_buffers_of_others_are_copied_and_rows_are_gathered(session: Session, tmp_path: Path) -> None:
    other = open_session(doubler(tmp_path / "o.onnx", reads=X, writes=Y), "ort-cpu")
    values = np.arange(8, dtype=np.float32).reshape(2, 4, 1, 1)
    theirs = other.upload(values)
    ours = session.take(theirs)
    session.write(ours, values + 1)
    assert np.array_equal(theirs.numpy(), values)
    assert session.take(ours) is ours
    assert np.array_equal(other.take(ours).numpy(), values + 1)
    rows = session.gather(ours, [1, -1, 0], (3, 4, 1, 1)).numpy()
    assert np.array_equal(rows[:, 0, 0, 0], [5, 0, 1])


def test_an_uploaded_buffer_does_not_change_with_its_array(session: Session) -> None:
    values = np.ones((1, 4, 1, 1), np.float32)
    buffer = session.upload(values)
    values[:] = 7
    assert buffer.numpy().max() == 1


def test_a_tensor_without_a_symbol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="'sample' that carries no symbol"):
        open_session(engine(tmp_path, reads="sample"), "openvino-cpu")


def test_a_tensor_whose_type_is_not_the_one_in_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is f16, but its name says float32"):
        open_session(engine(tmp_path, elem=TensorProto.FLOAT16), "openvino-cpu")


def test_a_tensor_with_two_symbols_is_refused(tmp_path: Path) -> None:
    path = engine(tmp_path)
    path.write_text(path.read_text().replace(f'names="{Y}"', f'names="{Y},{LATENT.at("denoised").tensor}"'))
    with pytest.raises(BundleError, match=r"carries the symbols .*; expected one"):
        open_session(path, "openvino-cpu")


@pytest.mark.parametrize("data", [b"", b"not a graph", None])
def test_a_file_that_is_no_openvino_ir_is_given_to_no_other_reader(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a" / "b" / "model.xml"
    path.parent.mkdir(parents=True)
    path.write_bytes(doubler(tmp_path / "m.onnx", reads=X, writes=Y).read_bytes() if data is None else data)
    with pytest.raises(BundleError, match=r"a/b/model\.xml cannot be opened by OpenVINO: it is no OpenVINO IR"):
        open_session(path, "openvino-cpu")


def test_a_graph_without_its_weights_or_cut_off_is_refused(tmp_path: Path) -> None:
    path = engine(tmp_path)
    path.write_text(path.read_text()[:400])
    with pytest.raises(BundleError, match="cannot be opened by OpenVINO"):
        open_session(path, "openvino-cpu")


def test_a_shape_it_was_not_built_for_and_an_input_it_does_not_have_are_refused(session: Session) -> None:
    five_channels = session.upload(np.ones((1, 5, 1, 1), np.float32))
    with pytest.raises(UsageError, match=r"of shape \[any, 4, any, any\], but received \[1, 5, 1, 1\]"):
        session.run({X: five_channels}, {Y: None})
    with pytest.raises(BundleError, match=r"denoiser/openvino-cpu/model\.xml failed"):
        session.run({"z": five_channels}, {Y: None})


def test_want_of_memory_is_not_the_engines_fault(session: Session) -> None:
    with pytest.raises(MemoryError):
        session.empty((1 << 20, 1 << 20, 64), np.dtype(np.float32))


def test_a_closed_engine_says_so_and_its_buffers_stay(session: Session) -> None:
    buffer = session.upload(np.ones((1, 4, 1, 1), np.float32))
    session.close()
    session.close()
    assert session.upload(buffer.numpy()).numpy().max() == 1
    with pytest.raises(UsageError, match=r"model\.xml is closed"):
        session.run({X: buffer}, {Y: None})


def test_without_the_package_its_absence_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = engine(tmp_path)

    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(openvino_module, "import_module", missing)
    with pytest.raises(PreflightError, match=r"No module named 'openvino'.*pip install 'latentlink\[openvino\]'"):
        OpenVinoSession(path, None)


def test_it_is_compiled_for_the_sizes_of_a_run_and_the_last_two_are_kept(tmp_path: Path) -> None:
    opened = OpenVinoEngine(engine(tmp_path), 1)
    first, second, third = ({X: (rows, 4, 2, 3)} for rows in (1, 2, 3))
    one = opened.compile_for(first)
    assert one.request.get_compiled_model().input(0).get_partial_shape().is_static
    assert one.initial_shape(Y) == [1, 4, 2, 3]
    two = opened.compile_for(second)
    assert opened.compile_for(first) is one
    opened.compile_for(third)
    assert opened.compile_for(first) is one
    assert opened.compile_for(second) is not two


def test_where_sizes_vary_one_takes_all_of_them(tmp_path: Path) -> None:
    opened = OpenVinoEngine(engine(tmp_path), 1, low_memory=True)
    one = opened.compile_for({X: (1, 4, 2, 3)})
    assert opened.compile_for({X: (2, 4, 5, 1)}) is one
    assert one.initial_shape(Y) == [0, 4, 0, 0]
    session = OpenVinoSession(tmp_path / "denoiser" / "openvino-cpu" / "model.xml", 1, low_memory=True)
    for rows in (1, 3):
        values = np.ones((rows, 4, 2, 1), np.float32)
        assert session.run({X: session.upload(values)}, {Y: None})[Y].numpy().shape == values.shape


def test_float32_is_computed_in_float32_whatever_the_processor_has(tmp_path: Path) -> None:
    compiled = OpenVinoEngine(engine(tmp_path), 1).compile_for({X: [1, 4, 2, 2]}).request.get_compiled_model()
    assert str(compiled.get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


def test_it_is_told_of_a_quota_unless_the_user_names_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = engine(tmp_path)

    def threads(quota: float | None, named: int | None = None) -> object:
        monkeypatch.setattr(processors, "cpu_quota", lambda: quota)
        monkeypatch.setattr(openvino_engine, "cpu_quota", lambda: quota)
        request = OpenVinoEngine(path, named, low_memory=True).compile_for({}).request
        return request.get_compiled_model().get_property("INFERENCE_NUM_THREADS")

    assert threads(0.5) == 1
    assert threads(99.0) == threads(None)
    assert threads(0.5, named=2) == threads(None, named=2)
