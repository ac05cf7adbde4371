"""TensorRT sessions on a GPU in numpy: ports, profiles, graphs that are replayed, weights that are replaced."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from latentlink.errors import BundleError, LatentLinkError, PreflightError, UsageError
from latentlink.ports import latent_port
from latentlink.runtime.linking import EngineMemory
from latentlink.runtime.linking.engine_memory import ReopeningSession
from latentlink.runtime.sessions import open_session
from latentlink.runtime.sessions import tensorrt as sessions
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.gpu.cuda import Copy, this_gpu
from latentlink.runtime.sessions.tensorrt import SETS, TensorrtSession
from latentlink.spaces import LatentSpace
from tests.runtime.sessions.gpu.fake_gpu import Error, FakeCuda
from tests.runtime.sessions.gpu.fake_tensorrt import FakeTensorrt, make_plan

LATENT = latent_port(LatentSpace(name="one", channels=4, downscale=8))
X, Y = LATENT.at("x").tensor, LATENT.tensor
LIMITS = {"B": (1, 1, 4), "h": (1, 8, 16), "w": (8, 8, 8)}


@pytest.fixture(params=["tensorrt", "tensorrt-rtx"])
def trt(request: pytest.FixtureRequest, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorrt]:
    """The module of a target, on the GPU; everything has to be given back in the end."""
    fake = FakeTensorrt(gpu, rtx=request.param == "tensorrt-rtx")
    monkeypatch.setattr(sessions, "import_tensorrt", lambda target: fake)
    yield fake
    gc.collect()
    this_gpu().synchronize()
    assert gpu.held() == {}


def scaler(folder: Path, factor: int = 2, *, elem: int = TensorProto.FLOAT, reads: str = X, weight: str = "w") -> Path:
    """A graph that multiplies its input by its one weight."""
    shape: list[str | int | None] = ["B", 4, "h", "w"]
    dtype = np.float32 if elem == TensorProto.FLOAT else np.float16
    graph = helper.make_graph(
        [helper.make_node("Mul", [reads, weight], [Y])],
        "scaler",
        [helper.make_tensor_value_info(reads, elem, shape)],
        [helper.make_tensor_value_info(Y, elem, shape)],
        initializer=[onnx.numpy_helper.from_array(np.full(1, factor, dtype), weight)],
    )
    path = folder / f"scale{factor}{weight}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def plan(folder: Path, graph: Path, *, refit: bool = False, version: str = "10.9.0") -> Path:
    path = folder / "denoiser" / "tensorrt" / "model.plan"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_plan(graph, LIMITS, refit=refit, version=version))
    return path


def opened(folder: Path, trt: FakeTensorrt, *, refit: bool = False, graphs: bool = True) -> TensorrtSession:
    target = "tensorrt-rtx" if trt.rtx else "tensorrt"
    made = sessions.open_session(plan(folder, scaler(folder), refit=refit), target, None, False, graphs=graphs)
    assert isinstance(made, TensorrtSession)
    return made


def values(*shape: int, start: int = 0) -> NDArray[np.float32]:
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def test_ports_are_read_back_and_sizes_that_the_profile_fixes_are_numbers(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    assert [port.tensor for port in session.inputs] == [X]
    assert [port.tensor for port in session.outputs] == [Y]
    (shape,) = (port.shape for port in session.inputs)
    assert [size if isinstance(size, int) else "free" for size in shape] == ["free", 4, "free", 8]
    session.close()


def test_a_run_only_enqueues(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    given = session.upload(values(1, 4, 2, 8))
    made = session.run({X: given}, {Y: None})
    assert trt.gpu.queue
    assert np.array_equal(made[Y].numpy(), 2 * values(1, 4, 2, 8))
    session.close()


def test_the_second_run_of_a_shape_is_captured_and_those_after_it_replay_it(tmp_path: Path, trt: FakeTensorrt) -> None:
    session, gpu = opened(tmp_path, trt), trt.gpu
    x, y = session.upload(values(2, 4, 3, 8)), session.empty((2, 4, 3, 8), np.dtype(np.float32))
    for number in range(5):
        session.write(x, values(2, 4, 3, 8, start=number))
        session.run({X: x}, {Y: y})
        assert np.array_equal(y.numpy(), 2 * values(2, 4, 3, 8, start=number))
        # other buffers than those that it was captured with
        x, y = session.gather(x, [1, 0], (2, 4, 3, 8)), session.gather(y, [0, 0], (2, 4, 3, 8))
    assert gpu.count("cudaStreamBeginCapture") == 1
    assert gpu.count("cudaGraphLaunch") == 4
    assert trt.contexts == 1
    session.close()


def test_threads_that_run_at_once_do_not_get_into_each_others_way(tmp_path: Path, trt: FakeTensorrt) -> None:
    shared = opened(tmp_path, trt)

    def work(number: int) -> bool:
        own = opened(tmp_path / str(number), trt)
        well = []
        for turn in range(10):
            for session in (own, shared):
                given = values(1, 4, 1 + (turn + number) % 3, 8, start=number)
                made = session.run({X: session.upload(given)}, {Y: None})[Y]
                well.append(np.array_equal(made.numpy(), 2 * given))
        own.close()
        return all(well)

    for number in range(4):
        (tmp_path / str(number)).mkdir()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [True] * 4
    assert trt.gpu.count("cudaGraphLaunch")
    shared.close()


def test_each_shape_has_its_own_graph_and_the_oldest_makes_room(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    for _ in range(3):
        for height in range(1, SETS + 1):
            given = values(1, 4, height, 8)
            assert np.array_equal(session.run({X: session.upload(given)}, {Y: None})[Y].numpy(), 2 * given)
    assert session.captured == SETS
    assert trt.gpu.count("cudaStreamBeginCapture") == trt.contexts == SETS
    session.run({X: session.upload(values(4, 4, 1, 8))}, {Y: None})
    assert session.captured == SETS - 1
    session.close()


def test_graphs_can_be_left_out(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt, graphs=False)
    for _ in range(3):
        session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})
    assert not trt.gpu.count("cudaStreamBeginCapture")
    session.close()


def test_an_engine_that_cannot_be_captured_runs_without_graphs(tmp_path: Path, trt: FakeTensorrt) -> None:
    trt.capturable = False
    session = opened(tmp_path, trt)
    for _ in range(3):
        made = session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})
        assert np.array_equal(made[Y].numpy(), 2 * values(1, 4, 1, 8))
    assert session.captured == 0
    session.close()


@pytest.mark.parametrize("error", [Error.cudaErrorMemoryAllocation, None])
def test_a_run_that_cannot_be_captured_leaves_no_error_to_the_next(
    tmp_path: Path, trt: FakeTensorrt, error: Error | None
) -> None:
    if error is None:
        trt.capturable = False
    else:
        trt.gpu.instantiation = error
    session = opened(tmp_path, trt)
    given = session.upload(values(1, 4, 1, 8))
    for _ in range(3):
        assert np.array_equal(session.run({X: given}, {Y: None})[Y].numpy(), 2 * values(1, 4, 1, 8))
    assert session.captured == 0
    trt.inferring = False
    with pytest.raises(BundleError) as told:
        session.run({X: session.upload(values(1, 4, 2, 8))}, {Y: None})
    assert "capturing" not in told.value.message
    session.close()


def test_a_graph_copies_only_inputs_that_have_changed(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    given, taken = session.upload(values(1, 4, 1, 8)), session.empty((1, 4, 1, 8), np.dtype("f4"))
    for _ in range(3):
        session.run({X: given}, {Y: taken})
    this_gpu().copies = copies = list[Copy]()
    session.run({X: given}, {Y: taken})
    assert len(copies) == 1  # the output
    session.write(given, values(1, 4, 1, 8, start=5))
    session.run({X: given}, {Y: taken})
    assert np.array_equal(taken.numpy(), 2 * values(1, 4, 1, 8, start=5))
    session.run({X: taken}, {Y: taken})  # an engine wrote it
    session.run({X: taken}, {Y: taken})
    assert np.array_equal(taken.numpy(), 8 * values(1, 4, 1, 8, start=5))
    other = session.upload(values(1, 4, 1, 8, start=9))
    session.run({X: other}, {Y: taken})
    assert np.array_equal(taken.numpy(), 2 * values(1, 4, 1, 8, start=9))
    session.close()


def test_a_plan_is_opened_while_no_other_thread_runs(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    with this_gpu().lock, ThreadPoolExecutor(1) as other:
        (tmp_path / "b").mkdir()
        begun = other.submit(opened, tmp_path / "b", trt)
        with pytest.raises(TimeoutError):
            begun.result(timeout=0.2)
        this_gpu().lock.release()
        begun.result().close()
        this_gpu().lock.acquire()
    session.close()


def test_engines_share_one_piece_of_memory_and_graphs_are_captured_anew_when_it_moves(
    tmp_path: Path, trt: FakeTensorrt
) -> None:
    small, large = opened(tmp_path, trt), opened(tmp_path, trt)
    one, many = small.upload(values(1, 4, 1, 8)), large.upload(values(4, 4, 16, 8))
    for _ in range(3):
        small.run({X: one}, {Y: None})
    before = this_gpu().activations(0)
    large.run({X: many}, {Y: None})
    after = this_gpu().activations(0)
    assert after[0] != before[0]
    for _ in range(3):
        assert np.array_equal(small.run({X: one}, {Y: None})[Y].numpy(), 2 * values(1, 4, 1, 8))
    assert trt.gpu.count("cudaStreamBeginCapture") == 2
    assert this_gpu().activations(0) == after
    small.close()
    assert np.array_equal(large.run({X: many}, {Y: None})[Y].numpy(), 2 * values(4, 4, 16, 8))
    large.close()


def test_buffers_stay_valid_when_their_session_is_closed(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    made = session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})[Y]
    session.close()
    session.close()
    assert np.array_equal(made.numpy(), 2 * values(1, 4, 1, 8))
    with pytest.raises(UsageError, match=r"denoiser/tensorrt/model\.plan is closed"):
        session.run({X: made}, {Y: None})


def test_the_time_of_runs_is_measured_on_the_gpu(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    given, before = session.upload(values(1, 4, 1, 8)), CLOCK.engines
    for _ in range(100):
        session.run({X: given}, {Y: None})
    session.wait()
    assert CLOCK.engines - before == pytest.approx(0.1)
    assert len(trt.gpu.events) <= 10
    session.close()


@pytest.mark.parametrize("shape", [(5, 4, 1, 8), (1, 4, 17, 8), (1, 4, 1, 4), (1, 3, 1, 8), (4, 1, 8)])
def test_a_shape_outside_of_the_profile_is_refused_before_anything_runs(
    tmp_path: Path, trt: FakeTensorrt, shape: tuple[int, ...]
) -> None:
    session = opened(tmp_path, trt)
    with pytest.raises(UsageError, match=r"of shape \[1, 4, 1, 8\] to \[4, 4, 16, 8\], but") as refused:
        session.run({X: session.upload(values(*shape))}, {Y: None})
    assert "--width --height --batch" in refused.value.remedy
    assert trt.contexts == 0
    session.close()


def test_buffers_that_an_engine_would_misread_are_refused(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    given = session.upload(values(1, 4, 1, 8))
    with pytest.raises(UsageError, match="as float32, but received float64"):
        session.run({X: session.upload(np.zeros((1, 4, 1, 8)))}, {Y: None})
    with pytest.raises(UsageError, match=r"of shape \[1, 4, 1, 8\], but received a buffer of shape \[1, 4, 2, 8\]"):
        session.run({X: given}, {Y: session.empty((1, 4, 2, 8), np.dtype(np.float32))})
    with pytest.raises(BundleError, match=r"reads .*, but received z"):
        session.run({"z": given}, {Y: None})
    session.close()


def test_a_tensor_whose_type_is_not_the_one_in_its_name_is_refused(tmp_path: Path, trt: FakeTensorrt) -> None:
    path = plan(tmp_path, scaler(tmp_path, elem=TensorProto.FLOAT16))
    with pytest.raises(BundleError, match="is HALF, but its name says float32") as refused:
        open_session(path, "tensorrt")
    assert refused.value.status == 4


def test_a_tensor_without_a_symbol_is_refused(tmp_path: Path, trt: FakeTensorrt) -> None:
    with pytest.raises(BundleError, match="'sample' that carries no symbol"):
        open_session(plan(tmp_path, scaler(tmp_path, reads="sample")), "tensorrt")


@pytest.mark.parametrize("size", [0, 20, 200])
def test_a_truncated_plan_is_refused(tmp_path: Path, trt: FakeTensorrt, size: int) -> None:
    path = plan(tmp_path, scaler(tmp_path))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(LatentLinkError, match=r"is empty|or damaged|on this machine: Serialization") as refused:
        open_session(path, "tensorrt-rtx" if trt.rtx else "tensorrt")
    # the bundle's reader has checked the file, so what TensorRT cannot read is of another GPU or release
    headed = trt.rtx and size < 32
    assert refused.value.status == (4 if size == 0 or headed else 5)


def test_a_plan_of_another_version_is_refused(tmp_path: Path, trt: FakeTensorrt) -> None:
    path = plan(tmp_path, scaler(tmp_path), version="10.8.0")
    why = "version mismatch" if trt.rtx else "Serialization assertion"  # the header of TensorRT for RTX says so
    with pytest.raises(PreflightError, match=rf"on this machine: {why}"):
        open_session(path, "tensorrt-rtx" if trt.rtx else "tensorrt")


def test_weights_are_replaced_there_and_back(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt, refit=True)
    given = session.upload(values(1, 4, 1, 8))
    for factor in (2, 3, 2):
        session.refit(scaler(tmp_path, factor))
        for _ in range(3):
            made = session.run({X: given}, {Y: None})[Y]
        assert np.array_equal(made.numpy(), factor * values(1, 4, 1, 8))
    assert session.captured == 1
    session.close()


def test_an_engine_that_was_not_built_for_other_weights_refuses_them(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    with pytest.raises(BundleError, match=r"model\.plan cannot be replaced.*--refit"):
        session.refit(scaler(tmp_path, 3))
    session.close()


def test_weights_that_are_missing_leave_the_engine_as_it_was(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt, refit=True)
    with pytest.raises(BundleError, match=r"does not have the weights of .*: it lacks w"):
        session.refit(scaler(tmp_path, 3, weight="v"))
    made = session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})[Y]
    assert np.array_equal(made.numpy(), 2 * values(1, 4, 1, 8))
    session.close()


def test_weights_are_streamed_where_the_engine_was_built_for_it(tmp_path: Path, trt: FakeTensorrt) -> None:
    trt.streamable = 1000
    session = opened(tmp_path, trt)
    assert session._plan._engine.weight_streaming_budget_v2 == 500
    session.close()


def test_an_engine_that_streams_weights_has_its_own_memory_once_and_no_graphs(
    tmp_path: Path, trt: FakeTensorrt
) -> None:
    trt.streamable = 1000
    with closing(opened(tmp_path, trt)) as session:
        for height in (1, 1, 1, 2):
            given = values(1, 4, height, 8)
            made = session.run({X: session.upload(given)}, {Y: None})[Y]
            assert np.array_equal(made.numpy(), 2 * given)
            assert len(session._contexts) == 1
        assert trt.contexts == 2
        assert session.captured == 0
        assert this_gpu()._activations == (0, 0)


def test_want_of_memory_for_activations_is_a_memory_error(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    given = session.upload(values(4, 4, 16, 8))
    trt.gpu.capacity = 16384
    with pytest.raises(MemoryError, match="cudaMallocAsync"):
        session.run({X: given}, {Y: None})
    session.close()


def test_an_engine_that_makes_room_gives_its_memory_back_and_goes_on_making_buffers(
    tmp_path: Path, trt: FakeTensorrt
) -> None:
    room = EngineMemory(1)
    engines = []
    for name in "ab":
        (tmp_path / name).mkdir()
        path = plan(tmp_path / name, scaler(tmp_path / name))
        engines.append(
            ReopeningSession(
                title=name,
                path=path,
                size=1,
                opener=partial(open_session, path, "tensorrt-rtx" if trt.rtx else "tensorrt"),
                memory=room,
            )
        )
    first, second = engines
    before = CLOCK.engines
    made = first.run({X: first.upload(values(1, 4, 2, 8))}, {Y: None})[Y]
    second.run({X: second.take(made)}, {Y: None})
    first.wait()
    spent = CLOCK.engines - before
    again = first.upload(values(1, 4, 2, 8))
    assert np.array_equal(first.run({X: again}, {Y: None})[Y].numpy(), made.numpy())
    first.wait()
    assert CLOCK.engines - before > spent > 0
    assert room.used == 1
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("call", ["deserialize_cuda_engine", "create_execution_context", "refit_cuda_engine"])
def test_ctrl_c_while_tensorrt_logs_is_raised_when_the_call_returns(
    tmp_path: Path, trt: FakeTensorrt, call: str
) -> None:
    trt.interrupted = call
    with pytest.raises(KeyboardInterrupt), closing(opened(tmp_path, trt, refit=True)) as session:
        session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})
        session.refit(scaler(tmp_path, 3))


def test_shapes_that_tensorrt_fails_to_infer_are_an_error_in_its_own_words(tmp_path: Path, trt: FakeTensorrt) -> None:
    trt.inferring = False
    with closing(opened(tmp_path, trt)) as session:
        given = session.upload(values(1, 4, 1, 8))
        with pytest.raises(BundleError, match=r"model\.plan failed: shapeMachine: broadcast dimensions"):
            session.run({X: given}, {Y: None})


def test_the_time_of_a_run_goes_to_the_thread_that_ran_it(tmp_path: Path, trt: FakeTensorrt) -> None:
    with closing(opened(tmp_path, trt)) as session, ThreadPoolExecutor(1) as other:
        given = session.upload(values(1, 4, 1, 8))

        def run(times: int) -> float:
            for _ in range(times):
                session.run({X: given}, {Y: None})
            return CLOCK.engines

        before = run(2)
        begun = other.submit(run, 3).result()
        run(1)
        session.wait()  # finds the other thread's runs done as well
        assert CLOCK.engines - before == pytest.approx(0.003)
        assert other.submit(lambda: CLOCK.engines).result() - begun == pytest.approx(0.003)


def test_kernels_are_compiled_once_for_engines_that_follow_each_other(tmp_path: Path, trt: FakeTensorrt) -> None:
    for _ in range(2):
        with closing(opened(tmp_path, trt)) as first, closing(opened(tmp_path, trt)) as second:
            for session in (first, second):
                session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})
    assert trt.caches == trt.rtx  # TensorRT compiles when it builds


@pytest.mark.parametrize("file", [None, b"nothing of TensorRT", b'["1.0"]'])
def test_kernels_stay_on_disk_for_later_processes(
    tmp_path: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch, file: bytes | None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache/latentlink/kernels"
    if file is not None:
        folder.mkdir(parents=True)
        (folder / "tensorrt-rtx-10.9.0.bin").write_bytes(file)
    for process in range(3):
        this_gpu().shared.clear()
        with closing(opened(tmp_path, trt)) as session:
            session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})
        assert trt.compiled == trt.rtx
        if trt.rtx and process == 1:
            written = (folder / "tensorrt-rtx-10.9.0.bin").stat().st_mtime_ns
    if trt.rtx:
        assert (folder / "tensorrt-rtx-10.9.0.bin").stat().st_mtime_ns == written  # nothing was new


def test_a_cache_that_cannot_be_written_is_none(
    tmp_path: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    this_gpu().shared.clear()
    with closing(opened(tmp_path, trt)) as session:
        session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})


def test_an_engine_that_nobody_closed_gives_everything_back(tmp_path: Path, trt: FakeTensorrt) -> None:
    session = opened(tmp_path, trt)
    for _ in range(3):
        session.run({X: session.upload(values(1, 4, 1, 8))}, {Y: None})
    assert session.captured
    del session
    gc.collect()
    this_gpu().synchronize()
    assert trt.gpu.held() == {}
