"""A provider that was asked for is the one that runs, or there is an error: never another one in its place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnxruntime as ort
import pytest

from latentlink.engine.targets import TARGETS, Machine, ort_providers
from latentlink.engine.targets.machine import Gpu
from latentlink.engine.targets.ort_providers import CPU, PROVIDERS, open_inference, placement
from latentlink.errors import PreflightError

GPU_TARGETS = [target for target, provider in PROVIDERS.items() if provider.gpu]
CUDA, RTX = "CUDAExecutionProvider", "NvTensorRTRTXExecutionProvider"


def machine(*gpus: Gpu) -> Callable[[], Machine]:
    return lambda: Machine(os="linux", architecture="x86_64", driver=(13, 0), gpus=gpus)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has a GPU, as far as anyone asks."""
    card = Gpu(name="Card", capability=(8, 9), memory=2**34)
    monkeypatch.setattr(ort_providers, "this_machine", machine(card))


class Session:
    """A session whose providers are `answer`, whatever was asked."""

    answer: tuple[str, ...] = ()
    arguments: dict[str, Any]

    def __init__(self, source: Any, options: Any, **arguments: Any) -> None:
        type(self).arguments = arguments

    def get_providers(self) -> list[str]:
        return list(self.answer)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> type[Session]:
    """In the place of `onnxruntime.InferenceSession`."""
    monkeypatch.setattr(ort, "InferenceSession", Session)
    return Session


@pytest.fixture
def in_cuda_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime says that it was built with CUDA, as onnxruntime-gpu does without a GPU too."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])


def test_every_onnx_runtime_target_has_a_provider_and_those_on_gpus_say_so() -> None:
    assert PROVIDERS.keys() == {target for target in TARGETS if target.startswith("ort-")}
    assert {target: provider.gpu for target, provider in PROVIDERS.items()} == {
        target: TARGETS[target].gpu for target in PROVIDERS
    }


@pytest.mark.parametrize("target", GPU_TARGETS)
def test_without_a_gpu_nothing_is_opened(
    target: str, monkeypatch: pytest.MonkeyPatch, session: type[Session], tmp_path: Path
) -> None:
    monkeypatch.setattr(ort_providers, "this_machine", machine())
    with pytest.raises(PreflightError, match=f"{target} runs on an NVIDIA GPU, and this machine has no CUDA device"):
        open_inference(tmp_path / "model.onnx", ort.SessionOptions(), target)


@pytest.mark.usefixtures("gpu")
def test_an_onnxruntime_without_the_provider_is_refused_with_the_package_that_has_it(tmp_path: Path) -> None:
    if CUDA in ort.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(PreflightError, match=rf"needs {CUDA}, but this onnxruntime .* has .*{CPU}.*onnxruntime-gpu"):
        open_inference(tmp_path / "model.onnx", ort.SessionOptions(), "ort-cuda")


@pytest.mark.usefixtures("gpu", "in_cuda_package")
def test_a_session_that_fell_back_to_the_cpu_is_refused(session: type[Session], tmp_path: Path) -> None:
    """onnxruntime-gpu without CUDA's libraries logs an error, and opens the graph on the CPU."""
    session.answer = (CPU,)
    with pytest.raises(PreflightError, match=f"needs {CUDA}, which cannot be used here: .*cuda"):
        open_inference(tmp_path / "model.onnx", ort.SessionOptions(), "ort-cuda")
    assert session.arguments["enable_fallback"] == 0


@pytest.mark.usefixtures("gpu", "in_cuda_package")
def test_a_provider_gets_its_options_and_the_cpu_what_it_does_not_take(session: type[Session], tmp_path: Path) -> None:
    session.answer = (CUDA, CPU)
    open_inference(tmp_path / "model.onnx", ort.SessionOptions(), "ort-cuda", {"device_id": "1"})
    assert session.arguments["providers"] == [(CUDA, {**PROVIDERS["ort-cuda"].options, "device_id": "1"}), (CPU, {})]


@pytest.mark.usefixtures("gpu")
def test_a_plug_in_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, PROVIDERS["ort-nv-rtx"].plugin, None)
    with pytest.raises(PreflightError, match="needs onnxruntime-ep-nv-tensorrt-rtx, but it is not installed"):
        open_inference(tmp_path / "model.onnx", ort.SessionOptions(), "ort-nv-rtx")


class Options:
    """In the place of `SessionOptions`."""

    added: tuple[list[Any], dict[str, str]] | None = None

    def add_provider_for_devices(self, devices: list[Any], options: dict[str, str]) -> None:
        self.added = (devices, options)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in's package is installed."""
    module = ModuleType(PROVIDERS["ort-nv-rtx"].plugin)
    module.get_library_path = lambda: "/nowhere/libplugin.so"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("gpu", "plugin")
def test_a_plug_in_whose_library_cannot_be_loaded_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=f"needs {RTX}, which cannot be used here: .*libplugin.so"):
        open_inference(tmp_path / "model.onnx", ort.SessionOptions(), "ort-nv-rtx")


@pytest.mark.usefixtures("gpu", "plugin")
def test_a_plug_in_that_takes_no_device_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ort, "register_execution_provider_library", lambda name, path: None)
    with pytest.raises(PreflightError, match=r"it takes none of this machine's \(Card\)"):
        open_inference(tmp_path / "model.onnx", ort.SessionOptions(), "ort-nv-rtx")


@pytest.mark.usefixtures("gpu", "plugin")
def test_a_plug_in_that_is_registered_already_takes_its_first_device(
    monkeypatch: pytest.MonkeyPatch, session: type[Session], tmp_path: Path
) -> None:
    def register(name: str, path: str) -> None:
        raise RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : EP library is already registered under {name}")

    found = [SimpleNamespace(ep_name=name) for name in (CPU, RTX, RTX)]
    monkeypatch.setattr(ort, "register_execution_provider_library", register)
    monkeypatch.setattr(ort, "get_ep_devices", lambda: found)
    session.answer = (RTX, CPU)
    options = Options()
    open_inference(tmp_path / "model.onnx", options, "ort-nv-rtx", {"nv_dump_subgraphs": "0"})
    assert options.added == ([found[1]], {"nv_dump_subgraphs": "0"})
    assert session.arguments["providers"] is None


def test_nodes_are_counted_by_provider() -> None:
    parts = [
        SimpleNamespace(ep_name=name, get_nodes=lambda count=count: [None] * count)
        for name, count in ((CUDA, 800), (CPU, 1), (CUDA, 12), (CPU, 2))
    ]
    found = placement(SimpleNamespace(get_provider_graph_assignment_info=lambda: parts))
    assert found == {CUDA: 812, CPU: 3}
