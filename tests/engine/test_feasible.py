"""What no builder could do is refused before any of them begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from latentlink.engine.builders import BuildOptions
from latentlink.engine.bundle import Manifest
from latentlink.engine.feasible import check_feasible
from latentlink.engine.targets import TARGETS, Machine
from latentlink.engine.targets.machine import Gpu
from latentlink.errors import PreflightError, UsageError

GPU = Gpu(name="an Ada GPU", capability=(8, 9), memory=1 << 34)
PACKAGES = [package for target in TARGETS.values() for package in target.packages]
VERSIONS = {name: "1.0" for package in PACKAGES for name in (*package.distributions, package.soname)}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """The machine that is asked, to be replaced; it has everything but a GPU."""
    found = [Machine(os="linux", architecture="x86_64", versions=VERSIONS)]
    for module in ("feasible", "builders.gpu_kinds"):
        monkeypatch.setattr(f"latentlink.engine.{module}.this_machine", lambda: found[0])
    return found


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        (["ort-cpu"], BuildOptions(precision="int7"), "Unknown precision 'int7'; expected one of: fp32"),
        (
            ["openvino-cpu"],
            BuildOptions(precision="int8+bf16"),
            "The export has no graph in int8; expected a cal",
        ),
        (["ort-cpu"], BuildOptions(refit=True), r"has the option refit.* build for tensorrt or tensorrt-rtx"),
        (["ort-cpu", "ort-cuda"], BuildOptions(weight_streaming=True), "has the option weight streaming"),
        (
            ["tensorrt-rtx"],
            BuildOptions(timing_cache=Path("cache")),
            "has the option timing cache.* tensorrt or ort-tensorrt",
        ),
        (["ort-cpu"], BuildOptions(compute_capabilities=("8.9",)), "has the option compute capabilities"),
        (
            ["tensorrt-rtx"],
            BuildOptions(compute_capabilities=("9.0",)),
            r"'9\.0' is not a compute capability .* 7\.5, 8\.0",
        ),
        (["tensorrt-rtx"], BuildOptions(compute_capabilities=("8.9", "x.y")), "'x.y' is not a compute capability"),
        (
            ["tensorrt-rtx", "ort-cpu"],
            BuildOptions(precision="bf16"),
            "ort-cpu does not compute in bfloat16, as denoiser",
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_had_is_refused_with_what_can(
    small_manifest: Manifest, targets: list[str], options: BuildOptions, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_feasible(small_manifest, targets, options)


@pytest.mark.usefixtures("here")
def test_an_option_is_for_those_targets_that_have_it(small_manifest: Manifest) -> None:
    check_feasible(small_manifest, ["tensorrt-rtx", "ort-cpu"], BuildOptions(refit=True, precision="fp16"))


def test_a_builder_that_is_not_installed_is_named(small_manifest: Manifest, here: list[Machine]) -> None:
    here[0] = replace(here[0], versions={"onnxruntime": "1.32.0"})
    check_feasible(small_manifest, ["ort-cpu", "ort-cuda"], BuildOptions())
    with pytest.raises(PreflightError, match="tensorrt-rtx needs TensorRT-RTX, but it is not installed"):
        check_feasible(small_manifest, ["tensorrt-rtx"], BuildOptions())


def test_openvino_builds_bfloat16_only_where_the_processor_has_it(
    small_manifest: Manifest, here: list[Machine]
) -> None:
    here[0] = replace(here[0], processor="a Zen 3")
    with pytest.raises(PreflightError, match="with avx512_bf16 or amx_bf16, but this machine has a Zen 3 without"):
        check_feasible(small_manifest, ["openvino-cpu"], BuildOptions(precision="bf16"))
    here[0] = replace(here[0], instructions=frozenset({"avx512_bf16"}))
    check_feasible(small_manifest, ["openvino-cpu"], BuildOptions(precision="bf16"))
    here[0] = replace(here[0], versions={"onnxruntime": "1.32.0"})
    with pytest.raises(PreflightError, match="openvino-cpu needs OpenVINO, but it is not installed"):
        check_feasible(small_manifest, ["openvino-cpu"], BuildOptions())


@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if target.local])
def test_a_builder_that_needs_a_gpu_is_refused_without_one(
    small_manifest: Manifest, here: list[Machine], target: str
) -> None:
    with pytest.raises(PreflightError, match="this machine has no CUDA device"):
        check_feasible(small_manifest, [target], BuildOptions())
    here[0] = replace(here[0], gpus=(GPU,), driver=(13, 0))
    check_feasible(small_manifest, [target], BuildOptions())


def test_the_kinds_that_can_be_named_are_those_of_the_builder() -> None:
    tensorrt = pytest.importorskip("tensorrt_rtx_bindings")
    assert all(
        hasattr(tensorrt.ComputeCapability, f"SM{kind.replace('.', '')}") for kind in TARGETS["tensorrt-rtx"].kinds
    )
