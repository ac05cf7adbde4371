"""What both runtimes say of engines: whether one is valid on a machine, and how good it is: `engines.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from latentlink.engine.bundle import EngineEntry, Fact
from latentlink.engine.quality import Quality, measure_agreement
from latentlink.engine.targets import TARGETS, Machine, make_fingerprint, preflight
from latentlink.engine.targets.machine import Gpu
from latentlink.spaces import digest

ADA = Gpu(name="an Ada GPU", capability=(8, 9), memory=16 << 30)
VERSIONS = {
    "onnxruntime": "1.32.0",
    "onnxruntime-gpu": "1.32.0",
    "tensorrt": "11.4.0.106",
    "libnvinfer.so.10": "10.16.0",
    "tensorrt-rtx-cu13-bindings": "1.7.1.116",
    "onnxruntime-ep-nv-tensorrt-rtx-cu13": "0.5.0",
    "openvino": "2026.4.1",
    "cuda-bindings": "13.5.0",
}
MACHINE = Machine(os="linux", architecture="x86_64", driver=(13, 1), gpus=(ADA,), versions=VERSIONS)

# By target: precision, and facts beside those of the machine.
PRECISIONS = {"openvino-cpu": ("float32", "bfloat16", "int8+bfloat16")}


def engines() -> Mapping[str, Any]:
    """All questions, each with its answer."""
    all_entries, all_machines = [*entries()], [*machines()]
    found = [[_finding(entry, machine) for machine in all_machines] for entry in all_entries]
    different = list({str(one): one for row in found for one in row}.values())
    return {
        "engines": [entry.to_json() for entry in all_entries],
        "machines": [_machine(machine) for machine in all_machines],
        "findings": different,
        # a row for each engine, of places in `findings`, one for each machine
        "found": [[different.index(one) for one in row] for row in found],
        "parity": [{"given": one, "answer": _quality(one)} for one in PARITIES],
        "agreement": [*agreements()],
    }


def entries() -> Iterator[EngineEntry]:
    """Engines that were built on `MACHINE`, and some whose fingerprint was edited."""
    for target, about in TARGETS.items():
        for precision in PRECISIONS.get(target, ("float32",)):
            facts: dict[str, Fact] = {"source": "1", "precision": precision, "count": 3, "best": True, "none": None}
            if about.gpu:
                facts |= {"compute_capability": ("8.0-12.x", "7.5"), "cuda": "13.0"}
            yield _entry(target, precision, facts)
    plain = _entry("ort-cpu", "float32", {"source": "1"})
    yield replace(plain, target="ort-npu")
    yield replace(plain, target="openvino-cpu", path="a/model.xml")
    yield replace(plain, fingerprint={**plain.fingerprint, "source": "2"})
    yield replace(plain, fingerprint={})
    yield replace(plain, precision="float16")
    limits = {"B": (1, 1, 4), "h": (8, 64, 128)}
    yield replace(_entry("ort-cpu", "float32", {"limits": digest(limits)}), limits=limits)
    yield replace(_entry("ort-cpu", "float32", {"limits": digest(limits)}), limits={"B": (1, 1, 8)})
    for edited in (
        {"precision": "int8"},
        {"compute_capability": "8.6"},
        {"compute_capability": ("8.66",)},
        {"compute_capability": ("8.6", "9")},
        {"compute_capability": ("8.0-12.x",)},
        {"cuda": "13"},
        {"cuda": 13},
        {"cuda": None},
        {"runtime": ("onnxruntime 1.2.3.4", "more")},
        {"runtime": ("onnxruntime",)},
        {"runtime": ("other 99.9",)},
        {"runtime": "onnxruntime 99.0"},
        {"runtime": ()},
    ):
        yield _signed(plain, edited)
    gpu = _entry("tensorrt-rtx", "float32", {"compute_capability": ("8.6",), "cuda": "13.2"})
    yield gpu
    yield _signed(gpu, {"compute_capability": ("12.0",), "cuda": "12.9", "architecture": None})
    yield _signed(_entry("tensorrt", "float32", {}), {"compute_capability": (), "os": "windows"})


def machines() -> Iterator[Machine]:
    """Machines that lack one thing or another."""
    yield MACHINE
    for name in ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx-cu13-bindings"):
        for version in ("99.0", "1.9", "2026.4.0rc1", "1.7.1.115", "x.y", None):
            changed = {**VERSIONS, name: version}
            yield replace(MACHINE, versions={key: value for key, value in changed.items() if value is not None})
    yield replace(MACHINE, versions={"cuda-bindings": "13.5.0"})
    yield replace(MACHINE, gpus=(), driver=None)
    yield replace(MACHINE, gpus=())
    yield replace(MACHINE, driver=None)
    yield replace(MACHINE, driver=(12, 8))
    yield replace(MACHINE, os="windows")
    yield replace(MACHINE, architecture="aarch64")
    yield replace(MACHINE, processor="a processor", instructions=frozenset({"avx2"}))
    yield replace(MACHINE, processor="a processor", instructions=frozenset({"amx_bf16"}))
    for capability in ((7, 5), (8, 6), (12, 0), (12, 3), (13, 0), (6, 1)):
        yield replace(MACHINE, gpus=(replace(ADA, capability=capability), ADA))


def _entry(target: str, precision: str, facts: Mapping[str, Fact]) -> EngineEntry:
    made = make_fingerprint(target=target, facts=facts, machine=MACHINE)
    path = f"engines/x/y/{TARGETS[target].file}"
    return EngineEntry(target=target, precision=precision, path=path, fingerprint=made)


def _signed(entry: EngineEntry, changes: Mapping[str, Fact]) -> EngineEntry:
    """An engine with other facts, and a digest of these."""
    facts = {key: value for key, value in (*entry.fingerprint.items(), *changes.items()) if key != "digest"}
    return replace(entry, fingerprint={**facts, "digest": digest(facts)})


def _machine(machine: Machine) -> Mapping[str, Any]:
    return asdict(machine) | {"instructions": sorted(machine.instructions)}


def _finding(entry: EngineEntry, machine: Machine) -> Any:
    found = preflight(entry, machine)
    return None if found is None else {**asdict(found), "reason": found.reason()}


_GOOD: Mapping[str, Any] = {
    "reference": "x",
    "gate_pictures": 8,
    "gate_cosines": "1.00000 0.99500 0.98000",
    "gate_psnr": 33.25,
    "gate_least_psnr": 21.5,
    "gate_ssim": 0.975,
    "gate_least_ssim": 0.9,
}

PARITIES: tuple[Any, ...] = (
    None,
    {},
    {"reference": "x", "max_abs": 0.5},
    _GOOD,
    {**_GOOD, "gate_least_psnr": 35},
    {**_GOOD, "gate_psnr": 24.96, "gate_ssim": 0.8999},
    {**_GOOD, "gate_cosines": "0.99 0.96996 0.5 0.98"},
    *(
        {**_GOOD, "gate_cosines": text}
        for text in ("", "  ", "x", "nan", "0.99 inf", "+1", "1e-3", "0.99,0.98", "1__0")
    ),
    {**_GOOD, "gate_cosines": 0.98},
    {**_GOOD, "gate_judged": 100, "gate_right": 90, "gate_reference_right": 93},
    {**_GOOD, "gate_judged": 100, "gate_right": 92, "gate_reference_right": 93},
    {**_GOOD, "gate_judged": 100.9, "gate_right": 1, "gate_reference_right": 2},
    {**_GOOD, "gate_judged": "100"},
    {**_GOOD, "gate_psnr": "33"},
    {**_GOOD, "gate_psnr": -1e22},
    {key: value for key, value in _GOOD.items() if key != "gate_ssim"},
    {key: value for key, value in _GOOD.items() if key != "gate_cosines"},
)


def _quality(parity: Any) -> Any:
    quality = Quality.of_parity(parity)
    if quality is None:
        return None
    return {
        "shortfalls": quality.shortfall_summary(),
        "summary": quality.summary(),
        "lossless": quality.visually_lossless,
    }


def agreements() -> Iterator[Mapping[str, Any]]:
    """Outputs and references of a few numbers, with what is measured; JSON has no infinity: those are null."""
    wanted = [0.5, -2.0, 1.25, 0.0]
    for dtype, output, reference, precision in (
        ("float32", wanted, wanted, "float32"),
        ("float32", [0.5, -2.0001, 1.25, 0.0], wanted, "float32"),
        ("float32", [0.5, -2.1, 1.25, 0.0], wanted, "bfloat16"),
        ("float32", [0.0] * 4, wanted, "int8"),
        ("float32", wanted, [0.0] * 4, "float64"),
        ("float32", [0.0] * 4, [0.0] * 4, "float32"),
        ("float16", [0.5, -2.001953125, 1.25, 0.0], wanted, "float32"),
        ("uint8", [0, 128, 255, 7], [0, 127, 255, 7], "float32"),
        ("uint8", [0, 128, 255, 7], [9, 127, 255, 7], "float16"),
    ):
        pairs = [(np.array(output, dtype), np.array(reference, dtype))]
        for onnx in (False, True):
            found = measure_agreement(pairs, precision, onnx=onnx)
            numbers = {key: value if np.isfinite(value) else None for key, value in asdict(found).items()}
            given = {"dtype": dtype, "output": output, "reference": reference, "precision": precision, "onnx": onnx}
            yield {**given, "answer": numbers, "summary": found.summary()}
