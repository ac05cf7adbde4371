"""The command, on a machine without a GPU and on one that only says it has one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from latentlink.bench.gpu import __main__ as gpu
from latentlink.bench.gpu.checks import CHECKS, missing_reason
from latentlink.bench.gpu.findings import Check, Peak, Speed
from latentlink.engine.targets import Machine
from latentlink.engine.targets.machine import Gpu
from latentlink.terminal.module import run_command

BARE = Machine(os="linux", architecture="x86_64", versions={"onnxruntime": "1.32.0"})
WITH_GPU = replace(BARE, driver=(13, 0), gpus=(Gpu(name="a GPU", capability=(8, 9), memory=1 << 34),))


def refuse(*arguments: object, **named: object) -> None:
    raise AssertionError("expected that nothing is built or run")


def test_without_a_gpu_it_ends_with_5_and_one_sentence_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "this_machine", lambda: BARE)
    monkeypatch.setattr(gpu, "run", refuse)
    monkeypatch.setattr("sys.argv", ["bench.gpu", str(tmp_path / "out.json")])
    with pytest.raises(SystemExit) as ended:
        run_command(gpu.main)
    assert ended.value.code == 5
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "latentlink: bench.gpu needs an NVIDIA GPU and its driver, but this machine has no CUDA device. "
        "Run it on a machine with one.\n"
    )
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--checks-only", "--speed-only"], "exclude each other"),
        (["--targets", "tensorrt,ort-cpu"], "'ort-cpu' is no target for GPUs; expected some of tensorrt, tensorrt-rtx"),
        (["--targets", ""], "'' is no target"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr(gpu, "run", refuse)
    done = CliRunner().invoke(gpu.main, [str(tmp_path / "out.json"), *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """A machine that has a GPU, checks that pass, and one speed; what they were asked for."""
    asked: dict[str, list[Any]] = {"checks": [], "speeds": []}

    def checks(subjects: Any, machine: Machine) -> Iterator[Check]:
        asked["checks"] += subjects
        for subject in subjects:
            yield Check(name="build", target=subject.target, precision=subject.precision, verdict="passed")

    def speeds(works: Any, targets: Any, material: Any, effort: Any, peak: Any) -> Iterator[Speed]:
        asked["speeds"] += [works, targets, effort, peak]
        yield Speed(work=works[0], side="latentlink tensorrt", verdict="passed")

    monkeypatch.setattr(gpu, "this_machine", lambda: WITH_GPU)
    monkeypatch.setattr(gpu, "run_checks", checks)
    monkeypatch.setattr(gpu, "run_speeds", speeds)
    monkeypatch.setattr(gpu, "run_in_new_process", lambda *_: Peak(tflops=100.0, how="by hand"))
    return asked


def test_it_checks_every_gpu_target_in_two_precisions_and_measures_four_works(
    tmp_path: Path, faked: dict[str, list[Any]]
) -> None:
    done = CliRunner().invoke(gpu.main, [str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    assert [(s.target, s.precision) for s in faked["checks"]] == [
        (target, precision) for target in gpu.GPU_TARGETS for precision in ("fp32", "fp16")
    ]
    works, targets, _, peak = faked["speeds"]
    assert [str(work) for work in works] == [
        "sd15 512x512, batch 1",
        "sd15 512x512, batch 4",
        "sdxl 1024x1024, batch 1",
        "sdxl 1024x1024, batch 4",
    ]
    assert [*targets] == [*gpu.GPU_TARGETS]
    assert peak == 100.0
    record = json.loads((tmp_path / "out.json").read_text())
    assert len(record["checks"]) == 2 * len(gpu.GPU_TARGETS)
    provenance = record["provenance"]
    assert provenance["gpu"] == {"name": "a GPU", "compute_capability": "8.9", "memory_bytes": 1 << 34, "count": 1}
    assert provenance["driver_cuda"] == "13.0"
    assert provenance["packages"]["numpy"]
    assert {"date", "command", "commit", "nvidia_smi", "nvidia_smi_after", "machine"} <= {*provenance}


def test_options_leave_out_what_was_not_asked_for(tmp_path: Path, faked: dict[str, list[Any]]) -> None:
    out = tmp_path / "out.json"
    assert CliRunner().invoke(gpu.main, [str(out), "--checks-only", "--targets", "tensorrt", "--quick"]).exit_code == 0
    assert [(s.target, s.models, s.pictures) for s in faked["checks"]] == [("tensorrt", ("demo",), 1)] * 2
    assert faked["speeds"] == []
    faked["checks"].clear()
    assert CliRunner().invoke(gpu.main, [str(out), "--speed-only", "--quick"]).exit_code == 0
    assert faked["checks"] == []
    assert len(faked["speeds"][0]) == 1


def test_a_target_that_was_asked_for_and_did_not_run_ends_with_5(tmp_path: Path, faked: dict[str, list[Any]]) -> None:
    done = CliRunner().invoke(gpu.main, [str(tmp_path / "out.json"), "--speed-only", "--targets", "ort-cuda"])
    assert done.exit_code == 5


@pytest.mark.parametrize(
    ("target", "versions", "why"),
    [
        ("tensorrt", {"cuda-bindings": "13.0.0"}, "TensorRT is not installed: pip install tensorrt."),
        ("tensorrt", {"tensorrt": "10.9.0"}, "cuda-python is not installed: pip install cuda-bindings."),
        ("tensorrt", {"tensorrt": "10.9.0", "cuda-bindings": "13.0.0"}, ""),
    ],
)
def test_a_target_whose_packages_are_missing_is_not_run_and_the_reason_told(
    target: str, versions: dict[str, str], why: str
) -> None:
    assert missing_reason(target, replace(WITH_GPU, versions=versions)) == why


def test_checks_of_a_target_that_is_not_here_are_listed_one_by_one() -> None:
    from latentlink.bench.gpu.checks import run_checks
    from latentlink.bench.gpu.material import Material
    from latentlink.bench.gpu.subject import Subject

    subject = Subject(material=Material(folder=Path("nowhere")), target="tensorrt", precision="fp16")
    found = [*run_checks([subject], WITH_GPU)]
    assert [check.name for check in found] == [*CHECKS]
    assert {(check.verdict, check.reason) for check in found} == {
        ("not run", "TensorRT is not installed: pip install tensorrt.")
    }
