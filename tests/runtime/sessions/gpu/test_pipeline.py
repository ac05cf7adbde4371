"""From text to picture on a GPU in numpy: the picture of the CPU, and nothing but rows crosses the bus in a step."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from numpy.typing import NDArray

import latentlink
from latentlink.engine.bundle import SizeRange
from latentlink.errors import PreflightError, UsageError
from latentlink.runtime import Pipeline
from latentlink.runtime.sessions import tensorrt as sessions
from latentlink.runtime.sessions.gpu.cuda import Copy, this_gpu
from tests.runtime.sessions.gpu.fake_gpu import FakeCuda
from tests.runtime.sessions.gpu.fake_tensorrt import FakeTensorrt, make_plan
from tests.runtime.sessions.gpu.gpu_bundle import MACHINE, PROMPT, write_gpu_bundle
from tests.runtime.together import check_closing, check_threads, check_timings

TARGET = "tensorrt"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo bundle, built for a GPU: a plan of every graph."""

    def write(graph: Path, engine: Path, limits: Mapping[str, SizeRange]) -> None:
        engine.write_bytes(make_plan(graph, limits))

    return write_gpu_bundle(tmp_path_factory.mktemp("bundles") / "demo-gpu", TARGET, write)


@pytest.fixture
def pipe(built: Path, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """That bundle, open; everything has to be given back in the end."""
    trt = FakeTensorrt(gpu)
    monkeypatch.setattr(sessions, "import_tensorrt", lambda target: trt)
    monkeypatch.setattr("latentlink.engine.targets.fingerprint.this_machine", lambda: MACHINE)
    with latentlink.load(built, target=TARGET, verify=False) as opened:
        yield opened
    gc.collect()
    this_gpu().synchronize()
    assert gpu.held() == {}


@pytest.mark.parametrize(
    "asked",
    [
        {"steps": 3, "sampler": "euler"},
        {"steps": 3, "sampler": "euler_a", "num_images": 2, "negative_prompt": "a (green:1.3) square"},
        {"steps": 3, "sampler": "dpmpp_2m", "guidance": 1.0},
        {"steps": 4, "sampler": "dpmpp_2m", "num_images": 2, "guidance_interval": (1.0, 4.0)},
        {"steps": 5, "sampler": "ddim", "step_cache": 2},
    ],
)
def test_the_picture_is_the_one_of_the_cpu(demo: Pipeline, pipe: Pipeline, asked: dict[str, object]) -> None:
    ours, theirs = (p.generate(PROMPT, seed=3, **asked) for p in (pipe, demo))  # type: ignore[arg-type]
    assert np.array_equal(ours.latents.array, theirs.latents.array)
    for image, other in zip(ours.images, theirs.images, strict=True):
        assert np.array_equal(np.asarray(image), np.asarray(other))


def test_a_picture_is_encoded_painted_over_and_kept_outside_of_a_mask_as_on_the_cpu(
    demo: Pipeline, pipe: Pipeline
) -> None:
    picture = demo.generate(PROMPT, seed=3, steps=4).images[0]
    mask = picture.convert("L").point(lambda value: 255 * (value > 100))
    ours, theirs = (
        p.generate(PROMPT, seed=4, steps=3, init_image=picture, mask_image=mask, strength=0.7) for p in (pipe, demo)
    )
    assert np.array_equal(np.asarray(ours.images[0]), np.asarray(theirs.images[0]))


def test_in_a_step_of_a_deterministic_sampler_only_a_row_of_numbers_crosses_the_bus(pipe: Pipeline) -> None:
    this_gpu().copies = copies = list[Copy]()
    after: list[int] = []
    pipe.generate(PROMPT, seed=3, steps=6, sampler="dpmpp_2m", guard="off", on_step=lambda _: after.append(len(copies)))
    crossing = [copy for copy in copies[after[0] : after[-1]] if copy.kind != "DeviceToDevice"]
    assert [copy.kind for copy in crossing] == ["HostToDevice"] * 5
    assert max(copy.size for copy in crossing) <= 1024


def test_embeddings_and_the_final_latent_are_not_brought_back_to_the_gpu(pipe: Pipeline) -> None:
    this_gpu().copies = copies = list[Copy]()
    after: list[int] = []
    made = pipe.generate(PROMPT, seed=3, steps=2, guard="off", on_step=lambda _: after.append(len(copies)))
    assert 2 * 77 * 64 * 4 not in {copy.size for copy in copies if copy.kind != "DeviceToDevice"}
    # the latent for `Result.latents` and the picture: nothing goes the other way
    crossing = [copy for copy in copies[after[-1] :] if copy.kind != "DeviceToDevice"]
    assert crossing == [Copy("DeviceToHost", made.latents.array.nbytes), Copy("DeviceToHost", 64 * 64 * 3)]


def test_noise_is_drawn_while_the_engine_is_at_work(
    pipe: Pipeline, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    from latentlink.runtime.denoising import beginning
    from latentlink.runtime.samplers.noise import Shape, noise_source

    at_work = []

    def watched(kind: str, seed: int) -> object:
        source = noise_source(kind, seed)

        def draw(shape: Shape) -> object:
            at_work.append(len(gpu.queue) > 0)
            return source(shape)

        return draw

    monkeypatch.setattr(beginning, "noise_source", watched)
    pipe.generate(PROMPT, seed=3, steps=4, sampler="euler_a")
    assert at_work[2:] == [True] * 3  # but for the start and the first row, which nothing goes before


def test_graphs_are_captured_once_and_replayed_by_later_calls(pipe: Pipeline, gpu: FakeCuda) -> None:
    for _ in range(3):
        pipe.generate(PROMPT, seed=3, steps=4)
    captured, launched = gpu.count("cudaStreamBeginCapture"), gpu.count("cudaGraphLaunch")
    pipe.generate(PROMPT, seed=3, steps=4)
    assert gpu.count("cudaStreamBeginCapture") == captured
    assert gpu.count("cudaGraphLaunch") == launched + 1 + 4 + 1  # the encoder, the steps, the decoder


def test_the_time_inside_the_denoiser_is_that_of_the_gpu(pipe: Pipeline) -> None:
    assert pipe.generate(PROMPT, seed=3, steps=5).timings["denoiser_engine"] == pytest.approx(0.005)


def test_threads_share_a_pipeline(pipe: Pipeline) -> None:
    check_threads(pipe, (64, 64))
    assert check_timings(pipe, (64, 64)) == pytest.approx([0.003] * 16)
    check_closing(pipe, (64, 64))


def test_threads_that_open_their_first_pipelines_at_once_share_the_gpu(
    demo: Pipeline, built: Path, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = FakeTensorrt(gpu)
    monkeypatch.setattr(sessions, "import_tensorrt", lambda target: trt)
    monkeypatch.setattr("latentlink.engine.targets.fingerprint.this_machine", lambda: MACHINE)
    together = Barrier(4)

    def draw(seed: int) -> NDArray[np.floating]:
        together.wait()
        with latentlink.load(built, target=TARGET, verify=False) as opened:
            return opened.generate(PROMPT, seed=seed, steps=2).latents.array

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(draw, range(4)))
    assert gpu.count("cudaStreamCreateWithFlags") == 1
    for seed, latents in enumerate(found):
        assert np.array_equal(latents, demo.generate(PROMPT, seed=seed, steps=2).latents.array)


def test_a_size_that_the_engines_were_not_built_for_is_refused(pipe: Pipeline) -> None:
    with pytest.raises(UsageError, match=r"Width 128 is not what denoiser of .* was built for: 64"):
        pipe.generate(PROMPT, width=128)


def test_a_prompt_of_more_pieces_than_the_denoiser_takes_is_refused(pipe: Pipeline) -> None:
    with pytest.raises(UsageError, match=r"tokens, but denoiser of .* was built for at most 308"):
        pipe.generate("a red circle on a blue background, " * 60, steps=1)


def test_more_prompts_than_the_encoder_reads_at_once_are_read_in_lots(demo: Pipeline, pipe: Pipeline) -> None:
    long = "a red circle on a blue background, " * 30
    prompts = [f"{number} {long}" for number in range(3)]
    ours, theirs = (p.generate(prompts, seed=3, steps=1, guidance=1.0) for p in (pipe, demo))
    np.testing.assert_allclose(ours.latents.array, theirs.latents.array, atol=1e-4)  # the same sums in another blocking


def test_on_a_machine_without_a_gpu_the_bundle_says_what_it_needs(built: Path) -> None:
    with pytest.raises(PreflightError, match=r"valid for compute capability 8\.9, this machine has") as refused:
        latentlink.load(built)
    assert refused.value.status == 5


def test_a_budget_of_the_processors_memory_is_refused_for_a_vae_on_a_gpu(pipe: Pipeline, built: Path) -> None:
    with pytest.raises(UsageError, match=r"runs on a GPU .*, for which no memory budget can be measured"):
        latentlink.load(built, target=TARGET, vae_memory=10**9)


def test_a_pipeline_that_nobody_closed_gives_everything_back(
    built: Path, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = FakeTensorrt(gpu)
    monkeypatch.setattr(sessions, "import_tensorrt", lambda target: trt)
    monkeypatch.setattr("latentlink.engine.targets.fingerprint.this_machine", lambda: MACHINE)
    opened = latentlink.load(built, target=TARGET, verify=False)
    opened.generate(PROMPT, seed=3, steps=3)
    assert gpu.held()
    del opened
    gc.collect()
    this_gpu().synchronize()
    assert gpu.held() == {}
