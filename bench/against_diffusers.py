"""Seconds a step beside diffusers, on the same weights, prompt, seed and threads, in one run, interleaved.

python -m latentlink.bench.against_diffusers CHECKPOINT BUNDLE [--steps 3] [--rounds 3] [--width 512] [--height 512]
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

import click
import numpy as np

import latentlink
from latentlink.bench.measure import provenance


@click.command()
@click.argument("checkpoint")
@click.argument("bundle")
@click.option("--steps", type=click.IntRange(2), default=3, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--guidance", default=7.5, show_default=True)
@click.option("--width", type=int)
@click.option("--height", type=int)
def main(checkpoint: str, bundle: str, steps: int, rounds: int, guidance: float, width: int, height: int) -> None:
    """Print seconds a step of both (float32, ddim), their ratio, and how far their latents are apart."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    theirs = StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None, dtype=torch.float32)
    theirs.scheduler = DDIMScheduler.from_config(theirs.scheduler.config)
    theirs.set_progress_bar_config(disable=True)
    prompt = "a red circle on a blue background"
    seconds: dict[str, list[float]] = {"latentlink": [], "diffusers": []}
    apart = 0.0
    with latentlink.load(bundle) as ours:
        sampling = ours.manifest.sampling
        width, height = width or sampling.width, height or sampling.height
        for number in range(rounds + 1):
            result = ours.generate(
                prompt,
                seed=number,
                steps=steps,
                guidance=guidance,
                sampler="ddim",
                width=width,
                height=height,
                guard="off",  # random weights draw noise
            )
            marks: list[float] = []
            reference = theirs(
                prompt,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=torch.Generator().manual_seed(number),
                output_type="latent",
                callback_on_step_end=_mark(marks),
                width=width,
                height=height,
            ).images.numpy()
            if number:  # the first round warms both up
                seconds["latentlink"].append(result.timings["denoiser"] / steps)
                # steps alone: from the end of the first to the end of the last
                seconds["diffusers"].append((marks[-1] - marks[0]) / (steps - 1))
            apart = max(apart, float(np.linalg.norm(result.latents.array - reference) / np.linalg.norm(reference)))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    report = {
        "seconds_a_step": {name: {"median": medians[name], "all": values} for name, values in seconds.items()},
        "diffusers_over_latentlink": medians["diffusers"] / medians["latentlink"],
        "latents_apart": apart,
        "settings": {"steps": steps, "rounds": rounds, "guidance": guidance, "width": width, "height": height},
        "provenance": {**provenance(), "torch": torch.__version__},
    }
    click.echo(json.dumps(report, indent=2))


def _mark(marks: list[float]) -> Callable[..., dict[str, Any]]:
    """A callback for diffusers that notes when each step ends."""

    def mark(pipeline: Any, step: int, timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
        marks.append(perf_counter())
        return state

    return mark


if __name__ == "__main__":
    main()
