"""What can be measured beside LatentLink: packages, how a model is prepared for them, and what they compute in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison.

    Args:
        title: As tables call it.
        packages: Distributions whose versions are told.
        requirements: What its own environment has installed; none where it runs in this one. `torch` alone is the
            release of this environment.
        unwanted: What comes along and has to go again, because it does not fit the rest.
        prepare: Command that makes its model, run by its environment's python: `{model}` is the checkpoint, `{out}` the
            directory to make; none where it reads the checkpoint.
        precisions: What it can be asked to compute in, the default first.
    """

    title: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("float32",)


OURS = Side(title="LatentLink", packages=("latentlink", "onnxruntime", "openvino", "numpy"))

OPTIMUM_CLI = ("-c", "from optimum.commands.optimum_cli import main; main()", "export")
OPTIMUM_ARGUMENTS = ("--model", "{model}", "--task", "text-to-image")

SIDES: Mapping[str, Side] = {
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
        # built for another torch than the one that comes with it: transformers cannot be imported beside it
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
"""By the name that `latentlink bench --against` takes. What is measured is written in `runner`."""

SCHEDULERS: Mapping[str, tuple[str, str]] = {
    "euler": ("EulerDiscreteScheduler", "EULER_DISCRETE"),
    "euler_a": ("EulerAncestralDiscreteScheduler", "EULER_ANCESTRAL_DISCRETE"),
    "ddim": ("DDIMScheduler", "DDIM"),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", "FLOW_MATCH_EULER_DISCRETE"),
}
"""Class of diffusers and name in OpenVINO GenAI of the samplers that sides share: one call of the denoiser a step."""
