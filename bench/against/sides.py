"""Systems that can be compared with LatentLink: their packages, preparation of models, and precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A system in a comparison.

    Args:
        title: Title in tables.
        packages: Distributions whose versions are reported.
        requirements: Requirements of its own environment; empty if it runs in this one. `torch` means the release of
            this environment.
        unwanted: Dependencies to uninstall again, as they conflict with the rest.
        prepare: Arguments of its environment's python that prepare its model: `{model}` is the checkpoint, `{out}` the
            directory to make; empty if it reads the checkpoint.
        precisions: Supported precisions, the default first.
        program: A program that measures itself; empty if `runner` imports a package.
    """

    title: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("float32",)
    program: str = ""


OURS = Side(title="LatentLink", packages=("latentlink", "onnxruntime", "openvino", "numpy"))

OPTIMUM_CLI = ("-c", "from optimum.commands.optimum_cli import main; main()", "export")
OPTIMUM_ARGUMENTS = ("--model", "{model}", "--task", "text-to-image")

NATIVE = "latentlink-native"
"""Name of the native runtime, which draws with the bundle of our first side."""

SIDES: Mapping[str, Side] = {
    NATIVE: Side(title="LatentLink native", packages=("onnxruntime", "openvino"), program=NATIVE),
    "diffusers": Side(title="diffusers", packages=("diffusers", "torch"), precisions=("float32", "bfloat16")),
    "torch-compile": Side(title="torch.compile", packages=("diffusers", "torch"), precisions=("float32", "bfloat16")),
    "openvino-genai": Side(
        title="OpenVINO GenAI",
        packages=("openvino-genai", "openvino", "optimum-intel"),
        requirements=(
            "openvino-genai==2026.4.1.0",
            "optimum-intel[openvino]==2.2.0",
            "diffusers<0.40",
            "torch",
            "pillow",
        ),
        # built for another torch than the one that it is installed with: transformers cannot be imported with it
        unwanted=("torchvision",),
        prepare=(*OPTIMUM_CLI, "openvino", *OPTIMUM_ARGUMENTS, "--weight-format", "fp16", "{out}"),
        precisions=("float32", "bfloat16"),
    ),
    "optimum": Side(
        title="Optimum",
        packages=("optimum", "optimum-onnx", "onnxruntime", "diffusers"),
        requirements=("optimum-onnx[onnxruntime]==0.1.0", "diffusers<0.36", "torch", "pillow"),
        unwanted=("torchvision",),
        prepare=(*OPTIMUM_CLI, "onnx", *OPTIMUM_ARGUMENTS, "{out}"),
    ),
    "stable-diffusion.cpp": Side(
        title="stable-diffusion.cpp",
        packages=("stable-diffusion-cpp-python",),
        requirements=("stable-diffusion-cpp-python==0.4.7", "pillow"),
        precisions=("float16",),
    ),
}
"""Systems by their name for `latentlink bench --against`. `runner` measures them."""

SCHEDULERS: Mapping[str, tuple[str, str]] = {
    "euler": ("EulerDiscreteScheduler", "EULER_DISCRETE"),
    "euler_a": ("EulerAncestralDiscreteScheduler", "EULER_ANCESTRAL_DISCRETE"),
    "ddim": ("DDIMScheduler", "DDIM"),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", "FLOW_MATCH_EULER_DISCRETE"),
}
"""Samplers that all sides have: diffusers' class, OpenVINO GenAI's name. Each calls the denoiser once per step."""
