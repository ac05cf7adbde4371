"""diffusers on a GPU in float16: eager, and with torch.compile as its documentation advises."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from latentlink.bench.gpu.findings import SizedModel
from latentlink.errors import PreflightError

PROMPT = "a red circle on a blue background"
GUIDANCE = 7.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of one generation.

    Args:
        step: Seconds per denoising step.
        total: Seconds from the prompts to the pictures.
    """

    step: float
    total: float


class DiffusersSystem:
    """A pipeline of diffusers.

    Args:
        pipeline: Pipeline on the GPU.
        work: Model and size.
        steps: Denoising steps, at least 2.
    """

    def __init__(self, pipeline: Any, work: SizedModel, steps: int) -> None:
        self.pipeline = pipeline
        self._work = work
        self._steps = steps

    def run(self, seed: int) -> Timing:
        """Draw once. Steps are timed from the end of the first to the end of the last."""
        import torch

        marks = []

        def mark(pipeline: Any, step: int, timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
            if step in (0, self._steps - 1):  # waiting after every step would slow it
                torch.cuda.synchronize()
                marks.append(perf_counter())
            return state

        torch.cuda.synchronize()
        began = perf_counter()
        self.pipeline(
            PROMPT,
            num_inference_steps=self._steps,
            guidance_scale=GUIDANCE,
            num_images_per_prompt=self._work.batch,
            generator=torch.Generator("cpu").manual_seed(seed),
            width=self._work.width,
            height=self._work.height,
            callback_on_step_end=mark,
        )
        torch.cuda.synchronize()
        return Timing(step=(marks[1] - marks[0]) / (self._steps - 1), total=perf_counter() - began)


def open_eager(checkpoint: Path, work: SizedModel, steps: int) -> DiffusersSystem:
    """Open the eager pipeline, with its weights in the layout for convolutions (channels last).

    Raises:
        PreflightError: torch is not installed, or has no CUDA.
    """
    try:
        import torch
    except ImportError:
        raise PreflightError("torch is not installed.") from None
    if not torch.cuda.is_available():
        raise PreflightError(f"torch {torch.__version__} has no CUDA here.")
    from diffusers import DDIMScheduler, DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(checkpoint, dtype=torch.float16).to("cuda")
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    for network in (pipeline.unet, pipeline.vae):
        network.to(memory_format=torch.channels_last)
    return DiffusersSystem(pipeline, work, steps)


def compile_denoiser(other: DiffusersSystem, work: SizedModel, steps: int, mode: str) -> DiffusersSystem:
    """The same weights with a compiled denoiser, and a compiled decoder if it stays in float16.

    Args:
        other: The eager pipeline.
        work: Model and size.
        steps: Denoising steps.
        mode: Mode of torch.compile: `max-autotune`, ...
    """
    import torch

    kind, parts = type(other.pipeline), dict(other.pipeline.components)
    parts["vae"] = deepcopy(parts["vae"])
    pipeline = kind(**parts)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet = torch.compile(pipeline.unet, mode=mode, fullgraph=True)
    if not (hasattr(pipeline, "upcast_vae") and pipeline.vae.config.force_upcast):
        pipeline.vae.decode = torch.compile(pipeline.vae.decode, mode=mode, fullgraph=True)
    return DiffusersSystem(pipeline, work, steps)
