"""What every target needs of a machine, the fastest target first: data that builders, preflight and sessions share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Software that opens engines.

    Args:
        title: As people call it.
        distributions: Names it is installed under, any one of them.
        install: How to get it.
        pin: How to get the very release `{}`, where it opens only what the same one built; empty where it opens what
            older ones built too.
    """

    title: str
    distributions: tuple[str, ...]
    install: str
    pin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target.

    Args:
        file: Name of the engine's file.
        packages: What builds and opens it, all of them.
        beside: What else opening it takes; its version does not matter.
        gpu: Whether it runs on an NVIDIA GPU.
        local: Whether an engine is built for the very kind of GPU of the machine that builds it, which so needs one.
        profiles: Whether it is compiled, for which every free dimension needs a smallest, a best and a largest size.
        systems: Whether an engine opens on other operating systems than the builder's.
        lacks: Precisions that it does not compute in.
        mixed: Precisions of products and of all else (`engine/quality/precisions.py`) that its builder makes.
        options: Those of `latentlink.engine.builders.job.Options` that its builder has.
        kinds: Compute capabilities that can be named to its builder.
        instructions: By precision, the processor's instructions that it takes, any one of them, as Linux names them.
    """

    file: str
    packages: tuple[Package, ...]
    beside: tuple[Package, ...] = ()
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

# All of them hold the module `onnxruntime`; where several are installed, the one that came last is there.
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
# What onnxruntime-gpu was linked with.
TENSORRT_10 = replace(TENSORRT, install="pip install 'tensorrt<11'")
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
        beside=(CUDA_PYTHON,),
        gpu=True,
        local=True,
        profiles=True,
        systems=False,
        options=("refit", "weight_streaming", "timing_cache"),
    ),
    "tensorrt-rtx": Target(
        file="model.plan",
        packages=(TENSORRT_RTX,),
        beside=(CUDA_PYTHON,),
        gpu=True,
        profiles=True,
        options=("refit", "weight_streaming", "compute_capabilities"),
        kinds=("7.5", "8.0", "8.6", "8.9", "12.0", "12.1"),
    ),
    "ort-tensorrt": Target(
        file="model.onnx",
        packages=(ONNXRUNTIME_GPU, TENSORRT_10),
        beside=(CUDA_PYTHON,),
        gpu=True,
        local=True,
        profiles=True,
        systems=False,
        options=("timing_cache",),
    ),
    "ort-nv-rtx": Target(
        file="model.onnx",
        packages=(ONNXRUNTIME, NV_RTX_PROVIDER),
        beside=(CUDA_PYTHON,),
        gpu=True,
        local=True,
        profiles=True,
    ),
    "ort-cuda": Target(file="model.onnx", packages=(ONNXRUNTIME_GPU,), beside=(CUDA_PYTHON,), gpu=True),
    # Elsewhere OpenVINO takes bfloat16 graphs too, but computes them in float32: slower, and other pictures.
    "openvino-cpu": Target(
        file="model.xml",
        packages=(OPENVINO,),
        mixed=("int8+bfloat16",),
        instructions=dict.fromkeys(("bfloat16", "int8+bfloat16"), ("avx512_bf16", "amx_bf16")),
    ),
    "ort-cpu": Target(file="model.onnx", packages=(ONNXRUNTIME,), lacks=("bfloat16",)),
}
"""In the order in which a bundle's engines are preferred."""
