"""TensorRT for RTX: real engines, compiled on the processor; what TensorRT adds is told by a stand-in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from latentlink.engine.build import build_bundle
from latentlink.engine.builders import BuildOptions, Job
from latentlink.engine.builders import tensorrt as tensorrt_builder
from latentlink.engine.builders.tensorrt import build_engine
from latentlink.engine.bundle import Bundle, SizeRange, read_probes
from latentlink.engine.component_build import BuildEvents
from latentlink.engine.sizes import PictureSizes
from latentlink.engine.targets import machine
from latentlink.errors import BuildError, PreflightError
from latentlink.ports import Port, latent_port
from latentlink.runtime import load
from latentlink.spaces import LatentSpace

tensorrt_rtx = pytest.importorskip("tensorrt_rtx_bindings")

ROOT = Path(__file__).parents[3]
LATENT = latent_port(LatentSpace(name="one", channels=4, downscale=8))
X = LATENT.at("x")
LIMITS: Mapping[str, SizeRange] = {"B": (1, 1, 2), "h": (8, 8, 16), "w": (8, 8, 8)}


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cuda", lambda: (None, ()))


def job(folder: Path, *, operator: str = "Neg", reads: Port = X, **more: object) -> Job:
    """A graph of one node."""
    shape: list[str | int | None] = ["B", 4, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node(operator, [reads.tensor], [LATENT.tensor], name="the_node")],
        "one",
        [helper.make_tensor_value_info(reads.tensor, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(LATENT.tensor, TensorProto.FLOAT, shape)],
    )
    source = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), source)
    build_job = Job(
        target="tensorrt-rtx",
        component="denoiser",
        precision="float32",
        source=source,
        out=folder / "model.plan",
        inputs=(reads,),
        outputs=(LATENT,),
        limits=LIMITS,
    )
    return replace(build_job, **more)  # type: ignore[arg-type]


def test_a_plan_is_written_with_what_it_depends_on(tmp_path: Path) -> None:
    phases: list[tuple[str, float]] = []
    facts = build_engine(job(tmp_path, on_phase=lambda phase, share: phases.append((phase, share))))
    assert facts == {
        "compute_capability": ("8.0", "8.6", "8.9", "12.0"),
        "cuda": "13.0",
        "refit": False,
        "weight_streaming": False,
    }
    assert (tmp_path / "model.plan").stat().st_size > 1000
    assert {phase.partition(":")[0] for phase, _ in phases} >= {"parsing", "Building engine"}
    assert all(0 <= share <= 1 for _, share in phases)


def test_float32_is_not_rounded_to_the_ten_bits_of_tf32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags: list[bool] = []
    cache = tensorrt_builder._timing_cache

    def spied(config: Any, build_job: Job) -> Any:
        flags.append(config.get_flag(tensorrt_rtx.BuilderFlag.TF32))
        return cache(config, build_job)

    monkeypatch.setattr(tensorrt_builder, "_timing_cache", spied)
    build_engine(job(tmp_path))
    assert flags == [False]


STOPPED = """
import signal, sys
from pathlib import Path
from latentlink.engine.builders.tensorrt import build_engine
from tests.engine.builders.test_tensorrt import job

folder, how = Path(sys.argv[1]), sys.argv[2]
signals = []
handlers = {
    "ctrl-c": signal.default_int_handler,
    "handled": lambda *_: signals.append("handled"),
    "ignored": signal.SIG_IGN,
}
# whatever the process inherited: a background job of a shell ignores SIGINT
signal.signal(signal.SIGINT, handlers.get(how, signal.default_int_handler))
handler = signal.getsignal(signal.SIGINT)
shares = []

def on_phase(phase, share):
    if phase.startswith("Building engine"):
        shares.append(share)
        if how == "error":
            raise ZeroDivisionError
        if len(shares) == 1:
            signal.raise_signal(signal.SIGINT)

try:
    build_engine(job(folder, on_phase=on_phase))
except KeyboardInterrupt:
    ended = "interrupted"
except ZeroDivisionError:
    ended = "error"
else:
    ended = "built"
wanted = {"ctrl-c": "interrupted", "handled": "interrupted", "error": "error", "ignored": "built"}[how]
assert ended == wanted, ended
assert signals == (["handled"] if how == "handled" else []), signals
assert (max(shares) < 0.5) == (ended != "built"), shares
assert signal.getsignal(signal.SIGINT) is handler
"""


def run_stopped(folder: Path, how: str) -> None:
    # in a process of its own: where OpenVINO has run before, TensorRT sometimes crashes when it is stopped
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, str(folder), how], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["ctrl-c", "error"])
def test_ctrl_c_stops_the_build_and_so_does_an_error_of_whoever_shows_progress(tmp_path: Path, how: str) -> None:
    run_stopped(tmp_path, how)
    assert not (tmp_path / "model.plan").exists()


def test_a_cancelled_build_ends_as_interrupted_where_the_signal_handler_raises_nothing(tmp_path: Path) -> None:
    run_stopped(tmp_path, "handled")
    assert not (tmp_path / "model.plan").exists()


def test_an_ignored_signal_stops_no_build(tmp_path: Path) -> None:
    run_stopped(tmp_path, "ignored")
    assert (tmp_path / "model.plan").exists()


def test_one_kind_of_gpu_can_be_named(tmp_path: Path) -> None:
    facts = build_engine(
        job(tmp_path, options=BuildOptions(compute_capabilities=("7.5",), refit=True, weight_streaming=True))
    )
    assert facts["compute_capability"] == ("7.5",)
    assert (facts["refit"], facts["weight_streaming"]) == (True, True)


def test_what_the_parser_cannot_read_is_told_with_its_node_and_operator(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read the graph of denoiser: node 'the_node' \(Abacus\)"):
        build_engine(job(tmp_path, operator="Abacus"))


def test_a_graph_whose_types_are_not_those_of_its_ports_is_refused(tmp_path: Path) -> None:
    half = replace(LATENT.at("x"), dtype="float16")
    with pytest.raises(BuildError, match=r"reads and writes .*DataType\.FLOAT.*; expected .*DataType\.HALF"):
        build_engine(job(tmp_path, reads=half))


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other package in the place of TensorRT, whose API it has."""
    monkeypatch.setattr(tensorrt_builder, "import_tensorrt", lambda target: tensorrt_rtx)


@pytest.mark.usefixtures("tensorrt")
@pytest.mark.filterwarnings("ignore:.*Timing cache:DeprecationWarning")
def test_what_was_measured_is_kept_for_the_next_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = machine.Gpu(name="an Ada GPU", capability=(8, 9), memory=1 << 34)
    monkeypatch.setattr(machine, "_cuda", lambda: ((13, 1), (gpu,)))
    options = BuildOptions(timing_cache=tmp_path / "folder" / "cache")
    for _ in range(2):
        facts = build_engine(job(tmp_path, target="tensorrt", options=options))
        assert facts["compute_capability"] == ("8.9",)
        assert facts["cuda"] == "13.0"
        assert (tmp_path / "folder" / "cache").stat().st_size > 0


@pytest.mark.usefixtures("tensorrt")
def test_tensorrt_itself_builds_on_the_gpu_that_it_will_run_on(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="this machine has no CUDA device"):
        build_engine(job(tmp_path, target="tensorrt"))


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="tensorrt needs TensorRT, but it is not installed"):
        build_engine(job(tmp_path, target="tensorrt"))


def test_a_bundle_for_a_gpu_is_built_without_one_and_falls_to_the_cpu_only_where_it_can(
    tiny_export: Path, tmp_path: Path
) -> None:
    titles: list[str] = []
    report = build_bundle(
        tiny_export,
        tmp_path / "both",
        targets=("ort-cpu", "tensorrt-rtx"),
        sizes=PictureSizes(width=(24, 24, 24), batch=(1, 1, 2)),
        events=BuildEvents(on_engine=lambda number, count, title: titles.append(f"{number + 1}/{count} {title}")),
    )
    assert titles[0].startswith("1/8 ")
    assert titles[-1].startswith("8/8 ")
    bundle = Bundle.open(tmp_path / "both")
    assert bundle.manifest == report.manifest
    unchecked = {(one.component, one.target, one.finding.code) for one in report.unchecked}
    assert unchecked == {(name, "tensorrt-rtx", "no-device") for name in bundle.manifest.components}
    for name, entry in bundle.manifest.components.items():
        rtx, cpu = entry.engines
        assert (rtx.target, cpu.target) == ("tensorrt-rtx", "ort-cpu")
        assert rtx.parity is None  # it was not run
        assert cpu.parity is not None
        read = {dim for port in entry.inputs for dim in port.shape if isinstance(dim, str)}
        assert read <= {*rtx.limits}
        assert not {*cpu.limits} - {"B", "N", "W", "w"}
        probes = read_probes(bundle.file(bundle.manifest.probes[name]), entry.inputs, entry.outputs)
        assert all(probes.within(engine.limits, entry.inputs) for engine in (rtx, cpu))
    with load(tmp_path / "both") as pipe:
        assert {one.target for one in pipe.decisions} == {"ort-cpu"}
