"""The checks, on a GPU in numpy: they pass where promises are kept, and fail where one is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentlink.bench.gpu import checks as gpu_checks
from latentlink.bench.gpu import perturb
from latentlink.bench.gpu.checks import run_check
from latentlink.bench.gpu.material import Material
from latentlink.bench.gpu.subject import Subject
from latentlink.engine.builders import open_on_cpu
from latentlink.engine.bundle import Bundle, EngineEntry, write_bundle, write_probes
from latentlink.engine.graphs import Graph
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.engine.targets import make_fingerprint
from latentlink.engine.targets.ort_providers import CPU
from latentlink.runtime import bundle_path
from latentlink.runtime.probing import load_probes
from latentlink.runtime.sessions import tensorrt as sessions
from latentlink.runtime.sessions.gpu import cuda as runtime_cuda
from tests.runtime.sessions.gpu.fake_gpu import FakeCuda, Unsigned
from tests.runtime.sessions.gpu.fake_tensorrt import FakeTensorrt, make_plan
from tests.runtime.sessions.gpu.gpu_bundle import MACHINE

TARGET = "tensorrt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built(Material):
    """The demo bundle with plans, and its own graphs as what they were made from."""

    def export(self, model: str) -> Path:
        return bundle_path(model)

    def bundle(
        self, model: str, target: str, precision: str, *, refit: bool = False, options: Sequence[str] = ()
    ) -> Path:
        return self.folder


def build(out: Path, *, graphs: Callable[[str, Path], Path] = lambda component, path: path) -> Path:
    """The demo bundle with a plan of every graph, or of what `graphs` makes of it."""
    source = Bundle.open(bundle_path("demo"))
    components = {}
    for name, entry in source.manifest.components.items():
        limits = limits_of(source.manifest, name, PictureSizes(), every=True)
        path = f"engines/{name}/{TARGET}/model.plan"
        (out / path).parent.mkdir(parents=True)
        graph = graphs(name, source.file(entry.engines[0].path))
        (out / path).write_bytes(make_plan(graph, limits, refit=True))
        fingerprint = make_fingerprint(
            target=TARGET, facts={"compute_capability": ("8.9",), "cuda": "13.0"}, machine=MACHINE
        )
        engine = EngineEntry(target=TARGET, precision="float32", path=path, fingerprint=fingerprint, limits=limits)
        components[name] = replace(entry, engines=(engine,))
        file = out / source.manifest.probes[name]
        file.parent.mkdir(exist_ok=True)
        with open_on_cpu(source.file(entry.engines[0].path), "ort-cpu") as run:
            write_probes(file, load_probes(source, name, entry).fit(limits, entry.inputs, run, 1))
    shutil.copytree(source.root / "tokenizers", out / "tokenizers")
    write_bundle(out, replace(source.manifest, components=components, files={}))
    return out


def own_graphs(source: Bundle, component: str, *_: Any) -> Iterator[Graph]:
    path = source.file(source.manifest.components[component].engines[0].path)
    yield Graph(path=path, precision="float32", parity=None, source="")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("bundles") / "demo")


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorrt]:
    """TensorRT on a GPU in numpy."""
    gpu = FakeCuda()
    fake = FakeTensorrt(gpu)
    monkeypatch.setattr(runtime_cuda, "import_cuda", lambda: gpu)
    monkeypatch.setattr(runtime_cuda, "unsigned", Unsigned)
    monkeypatch.setattr(sessions, "import_tensorrt", lambda target: fake)
    monkeypatch.setattr("latentlink.engine.targets.fingerprint.this_machine", lambda: MACHINE)
    monkeypatch.setattr("latentlink.engine.graphs.graphs_of", own_graphs)
    runtime_cuda._this_gpu.cache_clear()
    yield fake
    runtime_cuda._this_gpu.cache_clear()


def subject(folder: Path) -> Subject:
    return Subject(
        material=Built(folder=folder), target=TARGET, precision="fp32", models=("demo",), pictures=1, steps=2
    )


@pytest.mark.parametrize("name", ["build", "pictures", "probes", "graphs", "refit", "copies"])
def test_what_keeps_its_promises_passes(built: Path, trt: FakeTensorrt, name: str) -> None:
    found = run_check(name, subject(built))
    assert (found.verdict, found.reason) == ("passed", "")
    assert found.figures


def test_a_copy_a_step_is_a_row_of_numbers(built: Path, trt: FakeTensorrt) -> None:
    assert run_check("copies", subject(built)).figures == {"own_largest_bytes": 15 * 4, "own_copies_a_step": 1}


def test_a_step_that_copies_more_fails(built: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "MOST_BYTES", 59)
    found = run_check("copies", subject(built))
    assert (found.verdict, found.figures["own_largest_bytes"]) == ("failed", 60)
    assert found.reason.startswith("A step copies 60 bytes between host and device; expected at most 59")


def test_engines_with_other_weights_fail_by_their_pictures_and_their_probes(
    tmp_path: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perturb, "NOISE", 0.5)

    def other(component: str, path: Path) -> Path:
        if component != "denoiser":
            return path
        perturb.write_perturbed(path, tmp_path / path.name)
        return tmp_path / path.name

    wrong = subject(build(tmp_path / "bundle", graphs=other))
    found = run_check("pictures", wrong)
    assert found.verdict == "failed"
    assert found.reason.endswith("dB, expected at least 35.")
    found = run_check("probes", wrong)
    assert found.verdict == "failed"
    assert found.reason.startswith("demo denoiser float32: PSNR")


def test_graphs_that_do_not_compute_what_a_plain_run_does_fail(
    built: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_cuda.Cuda, "launch", lambda cuda, graph: None)
    found = run_check("graphs", subject(built))
    assert found.verdict == "failed"
    assert "does not give the bits of a plain run" in found.reason


def test_engines_that_are_not_captured_fail(built: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_cuda.Cuda, "capture", lambda cuda, enqueue: None)
    found = run_check("graphs", subject(built))
    assert (found.verdict, found.reason) == ("failed", "No CUDA graph of denoiser was captured.")


def test_weights_that_do_not_change_fail(built: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "write_perturbed", lambda source, out: shutil.copy(source, out))
    monkeypatch.setattr(sessions.TensorrtSession, "refit", lambda session, graph: None)
    found = run_check("refit", subject(built))
    assert (found.verdict, found.reason) == ("failed", "denoiser computes the same with other weights.")


def test_nodes_that_all_run_on_the_cpu_fail_where_the_target_is_a_gpu(
    built: Path, trt: FakeTensorrt, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_check("placement", subject(built)).verdict == "not run"
    monkeypatch.setattr(sessions.TensorrtSession, "placement", lambda session: {CPU: 10})
    found = run_check("placement", subject(built))
    assert (found.verdict, found.reason) == ("failed", "All 50 nodes run on the CPU.")
    monkeypatch.setattr(sessions.TensorrtSession, "placement", lambda session: {CPU: 1, "GpuProvider": 10})
    found = run_check("placement", subject(built))
    assert (found.verdict, found.figures) == ("passed", {"GpuProvider nodes": 50.0, f"{CPU} nodes": 5.0})


def test_what_a_target_cannot_do_is_not_run(built: Path) -> None:
    bare = replace(subject(built), target="ort-cpu")
    found = run_check("refit", bare)
    assert (found.verdict, found.reason) == (
        "not run",
        "Weights of an open engine for ort-cpu cannot be replaced.",
    )
    found = run_check("graphs", replace(bare, material=Built(folder=bundle_path("demo"))))
    assert (found.verdict, found.reason) == ("not run", "No CUDA graphs are captured for ort-cpu.")


@pytest.mark.parametrize(
    ("turns", "again", "said"),
    [
        (700, 1, ""),
        (1040, 1, ""),
        (1060, 1, "In turns the peak is 0 MB, expected at most 0 MB."),
        (700, 2, "Engines that take turns draw other pictures."),
    ],
)
def test_engines_in_turns_draw_the_same_in_no_more_memory(
    built: Path, monkeypatch: pytest.MonkeyPatch, turns: int, again: int, said: str
) -> None:
    def fresh(function: Any, *arguments: Any) -> Any:
        if function is gpu_checks._peak:
            resident = arguments[-1]
            return (1000 if resident is None else turns), [np.full(3, 1 if resident is None else again)]
        sizes = {"text_encoder": 10, "denoiser": 40, "denoiser_shallow": 5, "vae_decoder": 30, "vae_encoder": 20}
        return sizes[arguments[1]]

    monkeypatch.setattr(gpu_checks, "run_in_new_process", fresh)
    found = run_check("memory", subject(built))
    assert (found.verdict, found.reason) == ("failed" if said else "passed", said)
    if not said:
        shared, apart = (found.figures[f"activations_{how}_mb"] for how in ("shared", "apart"))
        assert (shared, apart) == (40e-6, 105e-6)
