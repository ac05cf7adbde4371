"""The table of targets, the fastest first: what each needs of a machine. Builders, preflight and sessions share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that builds or opens engines.

    Args:
        title: Its name for people.
        distributions: Distributions that bring it; any one is enough.
        install: Command that installs it.
        pin: Command that installs the release `{}`, if an engine opens only with the release that built it; empty if
            it also opens with later ones.
        soname: The library that counts, where another one is linked with it: a distribution may bring a later one.
    """

    title: str
    distributions: tuple[str, ...]
    install: str
    pin: str = ""
    soname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target.

    Args:
        file: Name of the engine's file.
        packages: All packages that build and open it.
        runtime_packages: Further packages that only opening it needs, in any version.
        gpu: Whether it runs on an NVIDIA GPU.
        local: Whether an engine is built for the GPU of the building machine, which therefore needs one.
        profiles: Whether the builder needs a smallest, a best and a largest size of every free dimension.
        systems: Whether an engine also opens on other operating systems than the builder's.
        lacks: Precisions that it does not compute in.
        mixed: Mixed precisions (`engine/quality/precisions.py`) that its builder makes.
        options: Fields of `latentlink.engine.builders.job.BuildOptions` that its builder supports.
        kinds: Compute capabilities that its builder can be asked for.
        instructions: By precision, the processor instructions that it needs, any one of them, by Linux's names.
    """

    file: str
    packages: tuple[Package, ...]
    runtime_packages: tuple[Package, ...] = ()
    gpu: bool = False
    local: bool = False
    profiles: bool = False
    systems: bool = True
    lacks: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    instructions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


OTHER_BUILDS = ("openvino", "directml", "rocm", "migraphx", "qnn", "training")

# All of these distributions bring the module `onnxruntime`; the one that was installed last provides it.
ONNXRUNTIME = Package(
    title="onnxruntime",
    distributions=("onnxruntime", "onnxruntime-gpu", *(f"onnxruntime-{kind}" for kind in OTHER_BUILDS)),
    install="pip install onnxruntime",
)
ONNXRUNTIME_GPU = Package(
    title="onnxruntime-gpu",
    distributions=("onnxruntime-gpu",),
    install="pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'",
)
TENSORRT = Package(
    title="TensorRT",
    distributions=("tensorrt", "tensorrt-cu13-bindings", "tensorrt-cu12-bindings", "tensorrt-cu13", "tensorrt-cu12"),
    install="pip install tensorrt",
    pin="pip install tensorrt=={}",
)
# What onnxruntime-gpu is linked with; `pip install tensorrt` brings version 11.
TENSORRT_10 = replace(TENSORRT, install="pip install 'tensorrt<11'", soname="libnvinfer.so.10")
TENSORRT_RTX = Package(
    title="TensorRT-RTX",
    distributions=("tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu12-bindings", "tensorrt-rtx"),
    install="pip install 'latentlink[tensorrt-rtx]'",
    pin="pip install tensorrt-rtx-cu13-bindings=={0} tensorrt-rtx-cu13-libs=={0}",
)
NV_RTX_PROVIDER = Package(
    title="onnxruntime-ep-nv-tensorrt-rtx",
    distributions=("onnxruntime-ep-nv-tensorrt-rtx-cu13", "onnxruntime-ep-nv-tensorrt-rtx-cu12"),
    install="pip install onnxruntime-ep-nv-tensorrt-rtx",
    pin="pip install onnxruntime-ep-nv-tensorrt-rtx=={}",
)
OPENVINO = Package(title="OpenVINO", distributions=("openvino",), install="pip install 'latentlink[openvino]'")
CUDA_PYTHON = Package(title="cuda-python", distributions=("cuda-bindings",), install="pip install cuda-bindings")

TARGETS: Mapping[str, Target] = {
    "tensorrt": Target(
        file="model.plan",
        packages=(TENSORRT,),
        runtime_packages=(CUDA_PYTHON,),
        gpu=True,
        local=True,
        profiles=True,
        systems=False,
        options=("refit", "weight_streaming", "timing_cache"),
    ),
    "tensorrt-rtx": Target(
        file="model.plan",
        packages=(TENSORRT_RTX,),
        runtime_packages=(CUDA_PYTHON,),
        gpu=True,
        profiles=True,
        options=("refit", "weight_streaming", "compute_capabilities"),
        kinds=("7.5", "8.0", "8.6", "8.9", "12.0", "12.1"),
    ),
    "ort-tensorrt": Target(
        file="model.onnx",
        packages=(ONNXRUNTIME_GPU, TENSORRT_10),
        runtime_packages=(CUDA_PYTHON,),
        gpu=True,
        local=True,
        profiles=True,
        systems=False,
        lacks=("float8",),  # its provider has no option that allows it
        options=("timing_cache",),
    ),
    "ort-nv-rtx": Target(
        file="model.onnx",
        packages=(ONNXRUNTIME, NV_RTX_PROVIDER),
        runtime_packages=(CUDA_PYTHON,),
        gpu=True,
        local=True,
        profiles=True,
    ),
    "ort-cuda": Target(file="model.onnx", packages=(ONNXRUNTIME_GPU,), runtime_packages=(CUDA_PYTHON,), gpu=True),
    # On other processors OpenVINO takes bfloat16 graphs too, but computes them in float32: slower, and other pictures.
    "openvino-cpu": Target(
        file="model.xml",
        packages=(OPENVINO,),
        mixed=("int8+bfloat16",),
        instructions=dict.fromkeys(("bfloat16", "int8+bfloat16"), ("avx512_bf16", "amx_bf16")),
    ),
    "ort-cpu": Target(file="model.onnx", packages=(ONNXRUNTIME,), lacks=("bfloat16",)),
}
"""Targets by name, in the order of preference within a bundle."""

REFERENCE_TARGET = "ort-cpu"
"""The target that runs on any processor: the default of a build, and what runs graphs for reference outputs."""


def target_for_file(suffix: str) -> str | None:
    """The target for the processor that reads engine files with this suffix (`.onnx`); None if there is none."""
    return next((name for name, target in TARGETS.items() if not target.gpu and target.file.endswith(suffix)), None)
