"""Preflight: what an engine needs is compared with what a machine has, without opening it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from latentlink.engine.bundle import EngineEntry, Fact
from latentlink.engine.targets import TARGETS, Machine, machine, make_fingerprint, preflight, this_machine
from latentlink.engine.targets.fingerprint import covers
from latentlink.engine.targets.machine import Gpu
from latentlink.spaces import digest

ADA = Gpu(name="an Ada GPU", capability=(8, 9), memory=16 << 30)
EVERYTHING = {
    "onnxruntime": "1.32.0",
    "onnxruntime-gpu": "1.32.0",
    "tensorrt": "11.4.0.106",
    "libnvinfer.so.10": "10.16.0",
    "tensorrt-rtx-cu13-bindings": "1.7.1.116",
    "onnxruntime-ep-nv-tensorrt-rtx-cu13": "0.5.0",
    "openvino": "2026.4.1",
    "cuda-bindings": "13.5.0",
}
MACHINE = Machine(os="linux", architecture="x86_64", driver=(13, 1), gpus=(ADA,), versions=EVERYTHING)

Change = Callable[[Machine], Machine]


def entry(target: str, **more: str | tuple[str, ...]) -> EngineEntry:
    """An engine that was built on `MACHINE`."""
    facts: dict[str, Fact] = {"source": "1", **more}
    if TARGETS[target].gpu:
        facts = dict[str, Fact](compute_capability=("8.0-12.x",), cuda="13.0") | facts
    made = make_fingerprint(target=target, facts=facts, machine=MACHINE)
    return EngineEntry(target=target, precision="float32", path=f"engines/x/y/{TARGETS[target].file}", fingerprint=made)


def versions(**changed: str | None) -> Change:
    """The machine with other versions; None takes a package away."""
    named = {name.replace("_", "-"): version for name, version in changed.items()}
    found = {name: version for name, version in (EVERYTHING | named).items() if version is not None}
    return lambda machine: replace(machine, versions=found)


@pytest.mark.parametrize("target", TARGETS)
def test_an_engine_is_valid_on_the_machine_that_it_was_built_on(target: str) -> None:
    assert preflight(entry(target), MACHINE) is None


def test_an_engine_built_here_is_valid_here() -> None:
    made = make_fingerprint(target="ort-cpu", facts={"source": "1"})
    assert preflight(replace(entry("ort-cpu"), fingerprint=made)) is None


def test_the_digest_changes_with_every_fact() -> None:
    one = make_fingerprint(target="ort-cpu", facts={"source": "1"})
    other = make_fingerprint(target="ort-cpu", facts={"source": "2"})
    assert one["digest"] != other["digest"]
    assert one == make_fingerprint(target="ort-cpu", facts={"source": "1"})


REFUSALS: list[tuple[str, Change, str, str]] = [
    ("ort-cpu", versions(onnxruntime="1.33.0", onnxruntime_gpu=None), "", ""),
    ("ort-cpu", versions(onnxruntime=None), "", ""),  # the other package holds the same module
    ("ort-cpu", versions(onnxruntime="1.9.0"), "runtime-version", "valid for onnxruntime 1.32.0 or later"),
    ("ort-cpu", versions(onnxruntime=None, onnxruntime_gpu=None), "no-runtime", "pip install onnxruntime"),
    ("ort-cpu", lambda m: replace(m, gpus=(), os="windows", architecture="aarch64"), "", ""),
    ("openvino-cpu", versions(openvino=None), "no-runtime", r"pip install 'latentlink\[openvino\]'"),
    ("openvino-cpu", versions(openvino="2026.5.0"), "", ""),
    ("openvino-cpu", versions(openvino="2025.4.0"), "runtime-version", "valid for OpenVINO 2026.4.1 or later"),
    ("openvino-cpu", lambda m: replace(m, gpus=(), os="windows", architecture="aarch64"), "", ""),
    ("tensorrt-rtx", lambda m: replace(m, os="windows"), "", ""),
    ("tensorrt-rtx", lambda m: replace(m, architecture="aarch64"), "architecture", "x86_64 processors"),
    (
        "tensorrt-rtx",
        lambda m: replace(m, gpus=()),
        "no-device",
        "compute capability 8.0-12.x, this machine has no CUDA",
    ),
    (
        "tensorrt-rtx",
        lambda m: replace(m, gpus=(Gpu(name="a Turing GPU", capability=(7, 5), memory=1),)),
        "compute-capability",
        "this machine has a Turing GPU with 7.5 .* --target tensorrt-rtx --compute-capability 7.5",
    ),
    (
        "tensorrt-rtx",
        lambda m: replace(m, driver=(12, 8)),
        "driver",
        "CUDA 13.0 or later, this machine has .* CUDA 12.8",
    ),
    (
        "tensorrt-rtx",
        versions(tensorrt_rtx_cu13_bindings="1.7.0.23"),
        "runtime-version",
        "valid for TensorRT-RTX 1.7.1.116, this machine has TensorRT-RTX 1.7.0.23",
    ),
    ("tensorrt-rtx", versions(tensorrt_rtx_cu13_bindings=None), "no-runtime", "tensorrt-rtx-cu13-libs==1.7.1.116"),
    ("tensorrt-rtx", versions(cuda_bindings=None), "no-runtime", "cuda-python"),
    ("tensorrt", lambda m: replace(m, os="windows"), "system", "valid for linux"),
    (
        "tensorrt",
        versions(tensorrt="11.5.0.1"),
        "runtime-version",
        "TensorRT 11.4.0.106, this machine has TensorRT 11.5.0.1 .*pip install tensorrt==11.4.0.106",
    ),
    ("ort-tensorrt", versions(tensorrt=None), "", ""),
    (
        "ort-tensorrt",
        lambda m: replace(m, versions={**m.versions, "libnvinfer.so.10": "10.9.0"}),
        "runtime-version",
        "valid for TensorRT 10.16.0, this machine has TensorRT 10.9.0",
    ),
    (
        "ort-tensorrt",
        lambda m: replace(m, versions={k: v for k, v in m.versions.items() if k != "libnvinfer.so.10"}),
        "no-runtime",
        "valid for TensorRT 10.16.0, this machine has none",
    ),
    ("ort-cuda", lambda m: replace(m, architecture="aarch64"), "", ""),
    ("ort-cuda", versions(onnxruntime_gpu=None), "no-runtime", "pip install 'onnxruntime-gpu"),
    ("ort-nv-rtx", versions(onnxruntime_ep_nv_tensorrt_rtx_cu13="0.6.0"), "runtime-version", "0.5.0"),
]


@pytest.mark.parametrize(("target", "change", "code", "message"), REFUSALS)
def test_every_difference_that_matters_is_told_with_its_remedy(
    target: str, change: Change, code: str, message: str
) -> None:
    finding = preflight(entry(target), change(MACHINE))
    assert (finding.code if finding else "") == code
    if finding is not None:
        assert finding.remedy
        assert re.search(message, str(finding)), str(finding)


def test_a_bfloat16_engine_for_the_processor_needs_one_that_computes_in_it() -> None:
    engine = replace(entry("openvino-cpu"), precision="bfloat16")
    finding = preflight(engine, replace(MACHINE, processor="a Zen 3"))
    assert finding is not None
    assert finding.code == "processor"
    assert "valid for processors that compute in bfloat16 (avx512_bf16 or amx_bf16), this machine has a Zen 3" in str(
        finding
    )
    assert preflight(engine, replace(MACHINE, instructions=frozenset({"amx_bf16"}))) is None
    assert preflight(replace(entry("tensorrt-rtx"), precision="bfloat16"), MACHINE) is None


def test_the_instructions_of_this_processor_are_read_from_what_linux_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = "processor : 0\nmodel name : One: two\nflags : fpu avx512_bf16 avx2\n\nprocessor : 1\nflags : fpu\n"
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    read = machine._processor.__wrapped__
    assert read() == ("One: two", frozenset({"avx512_bf16"}))
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "nothing")
    assert read() == ("", frozenset())


def test_a_package_that_building_did_not_take_may_have_any_version() -> None:
    builder = replace(MACHINE, versions={"onnxruntime": "1.32.0"})
    made = make_fingerprint(target="ort-cuda", facts={"source": "1"}, machine=builder)
    assert made["runtime"] == ("onnxruntime-gpu",)
    engine = replace(entry("ort-cuda"), fingerprint=made)
    assert (
        preflight(engine, replace(MACHINE, versions={"onnxruntime-gpu": "1.20.0", "cuda-bindings": "13.5.0"})) is None
    )
    finding = preflight(engine, builder)
    assert finding is not None
    assert finding.reason() == "engine valid for onnxruntime-gpu, this machine has none (no-runtime)"


def test_an_engine_for_one_kind_of_gpu_is_not_for_its_neighbour() -> None:
    assert preflight(entry("tensorrt", compute_capability=("8.9",)), MACHINE) is None
    finding = preflight(entry("tensorrt", compute_capability=("8.6",)), MACHINE)
    assert finding is not None
    assert finding.code == "compute-capability"
    assert "--compute-capability" not in finding.remedy  # it builds for the GPU that is there


def test_an_edited_fingerprint_is_found_whatever_the_machine() -> None:
    honest = entry("tensorrt-rtx", compute_capability=("12.0",))
    for edited in ({"compute_capability": ("8.9",)}, {"digest": "0" * 8}, {"target": "ort-cpu"}, {"source": "2"}):
        finding = preflight(replace(honest, fingerprint={**honest.fingerprint, **edited}), MACHINE)
        assert finding is not None
        assert finding.code == "fingerprint"


@pytest.mark.parametrize("kind", ["abc", "", "8.6.1", "8.6-", "1000.0"])
def test_a_kind_of_gpu_that_cannot_be_read_is_damage(kind: str) -> None:
    finding = preflight(entry("tensorrt-rtx", compute_capability=(kind,)), MACHINE)
    assert finding is not None
    assert finding.code == "fingerprint"


def test_a_record_that_does_not_agree_with_its_fingerprint_is_damage() -> None:
    honest = entry("tensorrt-rtx", precision="float32", limits=digest({"B": [1, 1, 4]}))
    right = replace(honest, limits={"B": (1, 1, 4)})
    assert preflight(right, MACHINE) is None
    for edited in (replace(right, precision="bfloat16"), replace(right, limits={"B": (1, 1, 8)})):
        finding = preflight(edited, MACHINE)
        assert finding is not None
        assert finding.code == "fingerprint"


def test_a_gpu_that_cannot_be_built_for_is_not_offered() -> None:
    hopper = replace(MACHINE, gpus=(Gpu(name="a Hopper GPU", capability=(9, 0), memory=1),))
    finding = preflight(entry("tensorrt-rtx", compute_capability=("8.9",)), hopper)
    assert finding is not None
    assert "--target tensorrt." in finding.remedy


def test_a_target_that_is_not_known_is_told_with_the_known_ones() -> None:
    finding = preflight(replace(entry("ort-cpu"), target="abacus"), MACHINE)
    assert finding is not None
    assert finding.code == "unknown-target"
    assert "ort-cpu" in str(finding)


@pytest.mark.parametrize(
    ("text", "capability", "covered"),
    [
        ("8.9", (8, 9), True),
        ("8.9", (8, 6), False),
        ("8.0-12.x", (8, 0), True),
        ("8.0-12.x", (12, 1), True),
        ("8.0-12.x", (7, 5), False),
        ("8.0-12.x", (13, 0), False),
        ("8.6-8.9", (8, 7), True),
    ],
)
def test_compute_capabilities_are_one_or_a_range(text: str, capability: tuple[int, int], covered: bool) -> None:
    assert covers(text, capability) == covered


def test_this_machine_is_described_without_importing_a_runtime() -> None:
    machine = this_machine()
    assert machine.os
    assert machine.architecture
    assert machine.version(TARGETS["ort-cpu"].packages[0]) is not None


@pytest.mark.parametrize(
    ("made", "version"),
    [
        ({"libnvinfer.so.10.16.1": b"", "libnvinfer.so.10": "libnvinfer.so.10.16.1"}, "10.16.1"),
        ({"libnvinfer.so.10": b""}, "10"),
        ({"libnvinfer.so.11": b""}, None),
    ],
)
def test_the_library_that_onnxruntime_is_linked_with_counts_and_no_later_one(
    made: dict[str, bytes | str], version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LIBRARY_FOLDERS", ())
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{tmp_path}")
    for name, content in made.items():
        if isinstance(content, str):
            (tmp_path / name).symlink_to(content)
        else:
            (tmp_path / name).write_bytes(content)
    assert this_machine().versions.get("libnvinfer.so.10") == version
    assert machine.library_file("libnvinfer.so.10") == (tmp_path / "libnvinfer.so.10" if version else None)
