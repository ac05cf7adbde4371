"""The plan of the first ten minutes: its order, its limits, and the checks of CUDA on the GPU in numpy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from latentlink.bench.cost import ProcessFailed
from latentlink.bench.gpu import __main__ as main
from latentlink.bench.gpu import first
from latentlink.bench.gpu.checks import judged
from latentlink.bench.gpu.findings import Check
from latentlink.bench.gpu.material import Material
from latentlink.engine.targets import Machine
from latentlink.engine.targets.machine import Gpu
from latentlink.runtime.sessions.gpu import cuda as runtime_cuda
from tests.runtime.sessions.gpu.fake_gpu import Error, FakeCuda, Unsigned

MACHINE = Machine(
    os="linux",
    architecture="x86_64",
    driver=(13, 1),
    gpus=(Gpu(name="a GPU", capability=(9, 0), memory=1 << 34),),
    versions={"tensorrt-rtx-cu13-bindings": "1.7.1.116", "cuda-bindings": "13.5.0"},
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    fake = FakeCuda()
    monkeypatch.setattr(runtime_cuda, "import_cuda", lambda: fake)
    monkeypatch.setattr(runtime_cuda, "unsigned", Unsigned)
    monkeypatch.setattr(first, "PIECE", 1 << 16)
    runtime_cuda._this_gpu.cache_clear()
    yield fake
    runtime_cuda._this_gpu.cache_clear()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Runs steps in this process; their time limits."""
    limits: list[float] = []

    def here(seconds: float, check: Callable[[], Check]) -> Check:
        limits.append(seconds)
        return check()

    monkeypatch.setattr(first, "run_within", here)
    return limits


def test_cuda_is_checked_before_any_target_and_what_is_not_installed_is_not_run(
    tmp_path: Path, gpu: FakeCuda, steps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first, "run_check", lambda name, subject: Check(
        name=name, target=subject.target, precision="fp16", verdict="failed" if name == "build" else "passed"
    ))  # fmt: skip
    monkeypatch.setattr(first, "other_gpu", lambda *_: {"words": "unsupported cc"})
    found = [*first.run_first(MACHINE, Material(folder=tmp_path))]
    assert [(check.target, check.name, check.verdict) for check in found[:4]] == [
        ("", "device", "passed"),
        ("", "cuda", "passed"),
        ("tensorrt-rtx", "build", "failed"),
        ("tensorrt-rtx", "pictures", "not run"),
    ]
    assert float(found[1].figures["launch_ms"]) >= 0
    assert {check.verdict for check in found if check.target == "ort-cuda"} == {"not run"}
    assert "onnxruntime-gpu is not installed" in next(c.reason for c in found if c.target == "ort-cuda")
    assert max(steps) <= 120
    assert gpu.held() == {}


def test_a_step_that_dies_is_a_failure_and_the_next_ones_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(seconds: float, check: Callable[[], Check]) -> Check:
        raise ProcessFailed("Its process died with the exit status -11.")

    monkeypatch.setattr(first, "run_within", dies)
    found = [*first.run_first(MACHINE, Material(folder=tmp_path))]
    assert [check.verdict for check in found[:3]] == ["failed"] * 3
    assert "-11" in found[0].reason


def test_what_has_not_begun_in_time_is_not_run(tmp_path: Path, steps: list[float]) -> None:
    found = [*first.run_first(MACHINE, Material(folder=tmp_path), minutes=0)]
    assert {check.verdict for check in found} == {"not run"}
    assert found[0].reason == "The 0 minutes were over."
    assert steps == []


@pytest.mark.parametrize("broken", [Error.cudaErrorIllegalAddress])
def test_a_gpu_that_fails_is_told(broken: Error, gpu: FakeCuda) -> None:
    gpu.broken = broken
    head = Check(name="cuda", target="", precision="", verdict="not run")
    found = judged(head, first.cuda)
    assert found.verdict == "failed"
    assert broken.name in found.reason


def test_the_command_writes_every_finding(
    tmp_path: Path, gpu: FakeCuda, steps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "this_machine", lambda: MACHINE)
    monkeypatch.setattr(first, "ORDER", ())
    monkeypatch.setattr(first, "other_gpu", lambda *_: {"words": "unsupported cc"})
    done = CliRunner().invoke(main.main, [str(tmp_path / "out.json"), "--first", "--work", str(tmp_path)])
    record: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    assert [check["name"] for check in record["checks"]] == ["device", "cuda", "other-gpu"]
    assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(main.main, [str(tmp_path / "out.json"), "--first", "--quick"])
    assert refused.exit_code == 2
