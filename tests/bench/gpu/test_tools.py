"""What `bench.gpu` looks with: device memory, traces, provenance, the peak, the turns that sides take."""

from __future__ import annotations

import ctypes
from collections import Counter
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from latentlink.bench.cost import ProcessFailed, Spread, gpu_provenance
from latentlink.bench.gpu import peak as gpu_peak
from latentlink.bench.gpu import speed as gpu_speed
from latentlink.bench.gpu.diffusers import Timing
from latentlink.bench.gpu.findings import SizedModel, Speed
from latentlink.bench.gpu.material import Material
from latentlink.bench.gpu.memory import DeviceMemory
from latentlink.bench.gpu.speed import Measurement, interleave
from latentlink.bench.gpu.trace import copies_in
from latentlink.errors import BundleError, PreflightError

WORK = SizedModel(model="sd15", width=512, height=512, batch=1)


class Driver:
    """The driver's library, with 1,000 bytes of which some are used."""

    def __init__(self) -> None:
        self.used = 100
        self.error = 0
        self.asked = Event()

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the names are CUDA's
        return self.error

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:  # noqa: N802
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:  # noqa: N802
        return 0

    def cuCtxSetCurrent(self, context: ctypes.c_void_p) -> int:  # noqa: N802
        return 0

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:  # noqa: N802
        free._obj.value, total._obj.value = 1000 - self.used, 1000
        self.asked.set()
        return 0


def test_the_peak_of_device_memory_is_what_was_used_at_most_beyond_before() -> None:
    driver = Driver()

    def run() -> None:
        driver.used = 700
        for _ in range(2):  # the first answer may have been on its way
            driver.asked.clear()
            driver.asked.wait()
        driver.used = 300

    assert DeviceMemory(driver).peak(run) == 600


def test_a_driver_that_refuses_is_told() -> None:
    driver = Driver()
    driver.error = 100
    with pytest.raises(PreflightError, match="cuInit failed with 100"):
        DeviceMemory(driver)


def test_copies_of_a_trace_are_counted_by_direction_and_size() -> None:
    events: list[dict[str, Any]] = [
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -> Device)", "args": {"bytes": 60}},
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "args": {"bytes": 60}},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoH (Device -> Pageable)", "args": {"bytes": 4096}},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoD (Device -> Device)", "args": {"bytes": 8192}},
        {"cat": "kernel", "name": "gemm", "args": {}},
        {"name": "process_name", "ph": "M"},
    ]
    assert copies_in(events) == Counter({("HostToDevice", 60): 2, ("DeviceToHost", 4096): 1})


def test_fields_that_nvidia_smi_does_not_know_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase "$1" in *=clocks.max.sm) echo 1980 MHz;; *=name) echo a GPU;; *) exit 2;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpu_provenance.clocks() == {"name": "a GPU", "clocks.max.sm": "1980 MHz"}


def test_without_nvidia_smi_there_are_no_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_provenance.clocks() == {}


def test_the_peak_is_measured_by_an_engine_where_torch_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_peak, "SIDE", 64)

    def none() -> None:
        raise PreflightError("torch has no CUDA here.")

    monkeypatch.setattr(gpu_peak, "by_torch", none)
    peak = gpu_peak.matrix_product_peak(["ort-cpu"])
    assert peak.how == "64x64 matrices in float16 by an engine for ort-cpu, the fastest of 30 runs"
    assert peak.tflops > 0
    with pytest.raises(PreflightError, match=r"was not measured: torch has no CUDA here\.$"):
        gpu_peak.matrix_product_peak([])


def test_the_product_that_is_measured_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_peak, "SIDE", 8)
    ports = gpu_peak.product_ports()
    gpu_peak.write_product(tmp_path / "product.onnx", ports)
    session = ort.InferenceSession(tmp_path / "product.onnx", providers=["CPUExecutionProvider"])
    a, b = np.random.default_rng(0).standard_normal((2, 8, 8)).astype(np.float16)
    (made,) = session.run(None, {ports[0].tensor: a, ports[1].tensor: b})
    np.testing.assert_allclose(made, a @ b, rtol=1e-2, atol=1e-2)


class Side:
    """A system that notes its turns, and fails in one of them."""

    def __init__(self, name: str, turns: list[str], fails: int | None = None) -> None:
        self.name, self.turns, self.fails = name, turns, fails

    def run(self, seed: int) -> Timing:
        self.turns.append(self.name)
        if seed == self.fails:
            raise MemoryError("no more")
        return Timing(step=seed + 1.0, total=10.0 * (seed + 1))


def test_sides_take_turns_and_one_that_fails_does_not_stop_the_others() -> None:
    turns: list[str] = []
    sides = [
        Measurement(name="latentlink a", side=Side("a", turns)),
        Measurement(name="b", side=Side("b", turns, fails=1)),
        Measurement(name="c", reason="not here"),
    ]
    interleave(sides, 3)
    assert turns == ["a", "b", "a", "b", "a"]
    a, b, c = (measuring.speed(WORK) for measuring in sides)
    assert (a.verdict, a.step and a.step.median, a.total and a.total.high) == ("passed", 2.0, 30.0)
    assert (b.verdict, b.reason) == ("not run", "MemoryError: no more")
    assert (c.verdict, c.reason) == ("not run", "not here")


@pytest.mark.parametrize(("name", "verdict"), [("latentlink a", "failed"), ("diffusers eager", "not run")])
def test_a_system_that_does_not_start_is_a_failure_where_it_is_ours(
    monkeypatch: pytest.MonkeyPatch, name: str, verdict: str
) -> None:
    class Memory:
        def peak(self, run: Any) -> int:
            run()
            return 0

    monkeypatch.setattr(gpu_speed, "DeviceMemory", Memory)
    measuring = Measurement(name=name)

    def make() -> Side:
        raise ValueError("no\n  compiler")

    measuring.get_ready(make)
    found = measuring.speed(WORK)
    assert (found.verdict, found.reason) == (verdict, "ValueError: no compiler")


def test_a_target_that_ends_the_process_does_not_take_the_others_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh(function: Any, work: SizedModel, targets: dict[str, Path], *_: Any) -> list[Speed]:
        if "tensorrt" in targets:
            raise ProcessFailed("Its process died with the exit status -11.")
        names = [*(f"latentlink {target}" for target in targets), "diffusers eager"]
        step = Spread.of([0.5])
        return [Speed(work=work, side=name, verdict="passed", step=step, total=step) for name in names]

    class Made(Material):
        def checkpoint(self, model: str) -> Path:
            return tmp_path

        export = checkpoint

        def bundle_of(self, work: SizedModel, target: str) -> Path:
            if target == "ort-tensorrt":
                raise BundleError("It cannot be built.")
            return tmp_path / target

    monkeypatch.setattr(gpu_speed, "run_in_new_process", fresh)
    monkeypatch.setattr(gpu_speed, "tflop_of", lambda work, export: 2.0)
    targets = {"tensorrt": "", "ort-cuda": "", "ort-tensorrt": "", "ort-nv-rtx": "It is not installed."}
    found = gpu_speed.run_speeds([WORK], targets, Made(folder=tmp_path), gpu_speed.Effort(), 16.0)
    assert [(speed.side, speed.verdict, speed.reason, speed.share) for speed in found] == [
        ("latentlink tensorrt", "failed", "Its process died with the exit status -11.", None),
        ("latentlink ort-cuda", "passed", "", 0.25),
        ("diffusers eager", "passed", "", 0.25),
        ("latentlink ort-tensorrt", "failed", "It cannot be built.", None),
        ("latentlink ort-nv-rtx", "not run", "It is not installed.", None),
    ]
