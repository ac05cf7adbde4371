"""ONNX Runtime sessions on a GPU in numpy: nothing leaves the device, graphs are captured once and replayed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

import latentlink
from latentlink.cli.shared.words import running
from latentlink.engine.bundle import SizeRange
from latentlink.engine.passes.slice_rows import slice_rows
from latentlink.engine.targets import ort_providers
from latentlink.errors import BundleError, UsageError
from latentlink.ports import latent_port
from latentlink.runtime import Pipeline
from latentlink.runtime.sessions import ort_gpu
from latentlink.runtime.sessions.gpu.cuda import Copy, this_gpu
from latentlink.runtime.sessions.ort_gpu import GRAPHS, OrtGpuSession
from latentlink.spaces import LatentSpace
from tests.runtime.sessions.gpu.fake_gpu import FakeCuda
from tests.runtime.sessions.gpu.fake_ort import CPU, CUDA, RTX, TENSORRT, FakeOrt, Options
from tests.runtime.sessions.gpu.gpu_bundle import MACHINE, PROMPT, write_gpu_bundle
from tests.runtime.sessions.test_sessions import doubler
from tests.runtime.together import check_closing, check_threads, check_timings

TARGET = "ort-cuda"
TARGETS = {"ort-cuda": CUDA, "ort-tensorrt": TENSORRT, "ort-nv-rtx": RTX}
"""Name of the provider by target."""

LATENT = latent_port(LatentSpace(name="one", channels=4, downscale=8))
X, Y = LATENT.at("x").tensor, LATENT.tensor


@pytest.fixture
def package(gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOrt]:
    """onnxruntime-gpu on that GPU; everything has to be given back in the end."""
    fake = FakeOrt(gpu)
    monkeypatch.setattr(ort, "InferenceSession", fake.open_inference_session)
    monkeypatch.setattr(ort, "SessionOptions", Options)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(ort, "register_execution_provider_library", lambda name, path: None)
    monkeypatch.setattr(ort, "get_ep_devices", lambda: [SimpleNamespace(ep_name=RTX)])
    plugin = SimpleNamespace(get_library_path=lambda: "libonnxruntime_providers_nv_tensorrt_rtx.so")
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", plugin)
    monkeypatch.setattr(ort_providers, "this_machine", lambda: MACHINE)
    monkeypatch.setattr(ort_providers, "_load_error", lambda provider: "")
    monkeypatch.setattr("latentlink.engine.targets.fingerprint.this_machine", lambda: MACHINE)
    yield fake
    fake.sessions.clear()
    gc.collect()
    this_gpu().synchronize()
    assert gpu.held() == {}


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """A target of ONNX Runtime on a GPU."""
    return str(request.param)


@pytest.fixture(scope="module")
def built(target: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo bundle for that target: its graphs are the engines."""

    def write(graph: Path, engine: Path, limits: Mapping[str, SizeRange]) -> None:
        model = ir.load(graph)
        slice_rows(model)
        ir.save(model, engine, external_data=f"{engine.name}.data")

    return write_gpu_bundle(tmp_path_factory.mktemp("bundles") / f"demo-{target}", target, write)


@pytest.fixture
def demo_images(demo: Pipeline) -> list[NDArray[np.uint8]]:
    """Two pictures of the processor, drawn before the package takes its place."""
    return [np.asarray(image) for image in demo.generate(PROMPT, seed=3, steps=4, num_images=2).images]


def opened(folder: Path, target: str = TARGET, **switches: bool) -> OrtGpuSession:
    made = ort_gpu.open_session(doubler(folder / "m.onnx", reads=X, writes=Y), target, 1, False, **switches)
    assert isinstance(made, OrtGpuSession)
    return made


def values(*shape: int, start: int = 0) -> NDArray[np.float32]:
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def test_the_pictures_are_those_of_the_cpu_and_a_step_sends_one_row_of_numbers(
    demo_images: list[NDArray[np.uint8]], target: str, built: Path, package: FakeOrt
) -> None:
    with latentlink.load(built, target=target, verify=False) as pipe:
        assert f"denoiser: {target} (float32), 12 nodes on {TARGETS[target]}" in running(pipe.decisions)
        for _ in range(2):  # the second time all graphs are replayed
            made = pipe.generate(PROMPT, seed=3, steps=4, num_images=2)
            for image, wanted in zip(made.images, demo_images, strict=True):
                assert np.array_equal(np.asarray(image), wanted)
        assert made.timings["denoiser_engine"] == pytest.approx(0.004)
        assert bool(package.sessions[0].replayed) == (target == "ort-cuda")  # the denoiser's
        this_gpu().copies = copies = list[Copy]()
        after: list[int] = []
        pipe.generate(
            PROMPT, seed=3, steps=6, sampler="dpmpp_2m", guard="off", on_step=lambda _: after.append(len(copies))
        )
    crossing = [copy for copy in copies[after[0] : after[-1]] if copy.kind != "DeviceToDevice"]
    assert [copy.kind for copy in crossing] == ["HostToDevice"] * 5
    assert max(copy.size for copy in crossing) <= 1024
    # nor do embeddings come to the host
    assert 2 * 77 * 64 * 4 not in {copy.size for copy in copies if copy.kind != "DeviceToDevice"}


def test_threads_share_a_pipeline(target: str, built: Path, package: FakeOrt) -> None:
    with latentlink.load(built, target=target, verify=False) as pipe:
        check_threads(pipe, (64, 64))
        assert check_timings(pipe, (64, 64)) == pytest.approx([0.003] * 16)
        check_closing(pipe, (64, 64))


def test_a_run_is_captured_once_for_a_set_of_shapes_and_replayed_on_other_buffers(
    tmp_path: Path, package: FakeOrt
) -> None:
    session = opened(tmp_path)
    for number in range(4):
        given, taken = session.upload(values(1, 4, 2, 3, start=number)), session.empty((1, 4, 2, 3), np.dtype("f4"))
        session.run({X: given}, {Y: taken})
        made = session.run({X: taken}, {Y: None})[Y]
        assert np.array_equal(taken.numpy(), 2 * values(1, 4, 2, 3, start=number))
        assert np.array_equal(made.numpy(), 4 * values(1, 4, 2, 3, start=number))
    assert (session.captured, package.sessions[0].replayed) == (1, 7)
    session.close()


def test_each_of_the_first_sets_of_shapes_has_a_graph_and_further_ones_run_without(
    tmp_path: Path, package: FakeOrt
) -> None:
    session = opened(tmp_path)
    for _ in range(2):
        for width in range(1, GRAPHS + 3):
            made = session.run({X: session.upload(values(1, 4, 2, width))}, {Y: None})[Y]
            assert np.array_equal(made.numpy(), 2 * values(1, 4, 2, width))
    assert (session.captured, package.sessions[0].replayed) == (GRAPHS, GRAPHS)
    session.close()


@pytest.mark.parametrize("target", ["ort-tensorrt", "ort-nv-rtx"])
def test_a_provider_with_one_graph_for_all_shapes_captures_none(target: str, tmp_path: Path, package: FakeOrt) -> None:
    session = opened(tmp_path, target)
    for _ in range(3):
        for width in (2, 3):
            given = session.upload(values(1, 4, 2, width))
            assert np.array_equal(session.run({X: given}, {Y: None})[Y].numpy(), 2 * values(1, 4, 2, width))
    assert (session.captured, package.sessions[0].replayed) == (0, 0)
    session.close()


@pytest.mark.parametrize(("graphs", "capturable"), [(False, True), (True, False)])
def test_what_is_not_to_be_captured_or_cannot_runs_without_graphs(
    graphs: bool, capturable: bool, tmp_path: Path, package: FakeOrt
) -> None:
    package.capturable = capturable
    session = opened(tmp_path, graphs=graphs)
    for _ in range(3):
        made = session.run({X: session.upload(values(1, 4, 2, 3))}, {Y: None})[Y]
        assert np.array_equal(made.numpy(), 2 * values(1, 4, 2, 3))
    assert (session.captured, package.sessions[0].replayed) == (0, 0)
    session.close()


def test_buffers_of_another_type_or_shape_are_refused_before_anything_is_copied(
    tmp_path: Path, package: FakeOrt
) -> None:
    session = opened(tmp_path)
    given = session.upload(values(1, 4, 2, 3))
    for _ in range(3):
        session.run({X: given}, {Y: None})
    with pytest.raises(UsageError, match=r"reads .* as float32, but received float16"):
        session.run({X: session.upload(values(1, 4, 2, 3).astype(np.float16))}, {Y: None})
    with pytest.raises(UsageError, match=r"of shape \[1, 4, 2, 3\], but received a buffer of shape \[1, 4, 2, 4\]"):
        session.run({X: given}, {Y: session.empty((1, 4, 2, 4), np.dtype("f4"))})
    with pytest.raises(BundleError, match="but received sample"):
        session.run({"sample": given}, {Y: None})
    session.close()
    with pytest.raises(UsageError, match="is closed"):
        session.run({X: given}, {Y: None})


def test_what_onnxruntime_raises_is_told_as_the_engines_failure_or_want_of_memory(
    tmp_path: Path, package: FakeOrt
) -> None:
    session = opened(tmp_path)
    given = session.upload(values(1, 4, 2, 3))
    package.sessions[0].failure = "CUDA failure 700: an illegal memory access was encountered"
    with pytest.raises(BundleError, match=r"The engine .*m\.onnx failed: CUDA failure 700"):
        session.run({X: given}, {Y: None})
    package.sessions[0].failure = "CUDA failure 2: out of memory"
    with pytest.raises(MemoryError):
        session.run({X: given}, {Y: None})
    package.sessions[0].failure = ""
    assert np.array_equal(session.run({X: given}, {Y: None})[Y].numpy(), 2 * values(1, 4, 2, 3))
    session.close()


def test_a_session_that_nobody_closed_gives_everything_back(tmp_path: Path, package: FakeOrt, gpu: FakeCuda) -> None:
    session = opened(tmp_path)
    for _ in range(3):
        session.run({X: session.upload(values(1, 4, 2, 3))}, {Y: None})
    this_gpu().synchronize()
    assert gpu.held()
    del session
    gc.collect()
    this_gpu().synchronize()
    assert gpu.held() == {}
