"""One side of a comparison, in its own process: opens a model, draws pictures, writes the seconds of each stage.

python runner.py JOB.json RESULT.json

It runs in the environment of the measured package, where latentlink may be missing: it imports only the standard
library and that package, and is therefore one file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from types import MethodType
from typing import Any

now = time.perf_counter
Stages = dict[str, float]
"""Seconds by stage: `step` (one denoising step, median of those after the first), `vae_decoder`, `total`."""

Draw = Callable[[int, list[float]], Any]
"""Draws with a seed and appends the time after every step; returns a PIL image."""


class Stopwatch:
    """Adds up the seconds of a function."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its calls timed."""

        def timed_function(*arguments: Any, **named: Any) -> Any:
            began = now()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += now() - began

        return timed_function


def latentlink(job: dict[str, Any]) -> Callable[[int], tuple[Any, Stages]]:
    """LatentLink, with one bundle."""
    from latentlink import load

    pipe = load(job["model"], target=job["target"], threads=job["threads"])
    found = next(one for one in pipe.decisions if one.component == "denoiser")
    if (found.target, found.precision) != (job["denoiser"], job["precision"]):
        wanted = f"{job['denoiser']} in {job['precision']}"
        raise ValueError(f"expected the denoiser for {wanted}, but opened {found.target} in {found.precision}")

    def draw(seed: int) -> tuple[Any, Stages]:
        marks: list[float] = []
        began = now()
        done = pipe.generate(
            job["prompt"],
            negative_prompt=job["negative_prompt"],
            seed=seed,
            steps=job["steps"],
            guidance=job["guidance"],
            sampler=job["sampler"],
            width=job["width"],
            height=job["height"],
            guard="off",  # random weights draw noise
            on_step=lambda at: marks.append(now()),
            **job["settings"],
        )
        total = now() - began
        return done.images[0], _stages(marks, total, done.timings["vae_decoder"])

    return draw


def diffusers(job: dict[str, Any]) -> Callable[[int], tuple[Any, Stages]]:
    """diffusers, eager or compiled."""
    import torch
    from diffusers import DiffusionPipeline

    torch.set_num_threads(job["threads"])
    dtype = getattr(torch, job["precision"])
    pipe = DiffusionPipeline.from_pretrained(job["model"], torch_dtype=dtype)
    if job["side"] == "torch-compile":
        name = "unet" if hasattr(pipe, "unet") else "transformer"
        setattr(pipe, name, torch.compile(getattr(pipe, name)))
    return _of_diffusers(pipe, job, lambda seed: torch.Generator().manual_seed(seed))


def optimum(job: dict[str, Any]) -> Callable[[int], tuple[Any, Stages]]:
    """Optimum's pipeline over ONNX Runtime."""
    import onnxruntime
    import torch
    from optimum.onnxruntime import ORTDiffusionPipeline

    torch.set_num_threads(job["threads"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    pipe = ORTDiffusionPipeline.from_pretrained(job["prepared"], session_options=options)
    return _of_diffusers(pipe, job, lambda seed: torch.Generator().manual_seed(seed))


def _of_diffusers(
    pipe: Any, job: dict[str, Any], generator: Callable[[int], Any]
) -> Callable[[int], tuple[Any, Stages]]:
    """A pipeline with the interface of diffusers."""
    import diffusers as library

    pipe.scheduler = getattr(library, job["scheduler"]).from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    if getattr(pipe, "safety_checker", None) is not None:
        pipe.safety_checker = None
    decoder = Stopwatch()
    pipe.vae.decode = MethodType(_unbound(decoder.around(pipe.vae.decode)), pipe.vae)

    def draw(seed: int) -> tuple[Any, Stages]:
        marks: list[float] = []

        def step(_: Any, number: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            marks.append(now())
            return values

        before, began = decoder.seconds, now()
        done = pipe(
            job["prompt"],
            negative_prompt=job["negative_prompt"],
            num_inference_steps=job["steps"],
            guidance_scale=job["guidance"],
            width=job["width"],
            height=job["height"],
            generator=generator(seed),
            callback_on_step_end=step,
        )
        return done.images[0], _stages(marks, now() - began, decoder.seconds - before)

    return draw


def _unbound(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *arguments, **named: function(*arguments, **named)


def openvino_genai(job: dict[str, Any]) -> Callable[[int], tuple[Any, Stages]]:
    """OpenVINO GenAI, on a model that optimum-intel exported."""
    import openvino_genai as genai
    from PIL import Image

    kind = getattr(genai.Scheduler.Type, job["genai_scheduler"])
    pipe = genai.Text2ImagePipeline(job["prepared"])
    pipe.set_scheduler(
        genai.Scheduler.from_config(str(Path(job["prepared"]) / "scheduler/scheduler_config.json"), kind)
    )
    settings = {"num_inference_steps": job["steps"], "guidance_scale": job["guidance"]}
    pipe.reshape(1, job["height"], job["width"], job["guidance"])
    hint = {"float32": "f32", "bfloat16": "bf16"}[job["precision"]]
    pipe.compile("CPU", INFERENCE_NUM_THREADS=job["threads"], INFERENCE_PRECISION_HINT=hint)

    def draw(seed: int) -> tuple[Any, Stages]:
        marks: list[float] = []

        def step(number: int, count: int, latent: Any) -> bool:
            marks.append(now())
            return False

        began = now()
        made = pipe.generate(
            job["prompt"], negative_prompt=job["negative_prompt"], rng_seed=seed, callback=step, **settings
        )
        total = now() - began
        decoder = pipe.get_performance_metrics().get_vae_decoder_infer_duration() / 1000
        return Image.fromarray(made.data[0]), _stages(marks, total, decoder)

    return draw


def stable_diffusion_cpp(job: dict[str, Any]) -> Callable[[int], tuple[Any, Stages]]:
    """stable-diffusion.cpp through its Python binding, on the checkpoint itself."""
    from stable_diffusion_cpp import StableDiffusion

    pipe = StableDiffusion(model_path=job["model"], n_threads=job["threads"], wtype="f16", verbose=False)

    def draw(seed: int) -> tuple[Any, Stages]:
        marks: list[float] = []
        began = now()
        images = pipe.generate_image(
            prompt=job["prompt"],
            negative_prompt=job["negative_prompt"],
            sample_steps=job["steps"],
            cfg_scale=job["guidance"],
            sample_method=job["sampler"],
            width=job["width"],
            height=job["height"],
            seed=seed,
            progress_callback=lambda step, steps, seconds: marks.append(now()),
        )
        ended = now()
        return images[0], _stages(marks[: job["steps"]], ended - began, ended - marks[job["steps"] - 1])

    return draw


SIDES: dict[str, Callable[[dict[str, Any]], Callable[[int], tuple[Any, Stages]]]] = {
    "latentlink": latentlink,
    "diffusers": diffusers,
    "torch-compile": diffusers,
    "openvino-genai": openvino_genai,
    "optimum": optimum,
    "stable-diffusion.cpp": stable_diffusion_cpp,
}


def native(job: dict[str, Any]) -> dict[str, Any]:
    """LatentLink's native runtime, whose program measures itself."""
    words = [job["model"], "--negative-prompt", job["negative_prompt"]]
    named = {name: job[name] for name in ("steps", "guidance", "sampler", "width", "height", "threads", "target")}
    for name, value in (named | job["settings"]).items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        measure = ["bench", *words, "--prompt", job["prompt"], "--repeats", str(job["warm"]), "--json", str(out)]
        subprocess.run([job["program"], *measure], check=True, stdout=subprocess.DEVNULL)
        figures = json.loads(out.read_text(encoding="utf-8"))
    if job["picture"]:
        draw = ["generate", words[0], job["prompt"], *words[1:], "--seed", str(job["seed"])]
        subprocess.run(
            [job["program"], *draw, "--guard", "off", "-o", job["picture"]], check=True, stdout=subprocess.DEVNULL
        )
    found = next(one for one in figures["engines"] if one["component"] == "denoiser")
    if (found["target"], found["precision"]) != (job["denoiser"], job["precision"]):
        raise ValueError(f"expected the denoiser for {job['denoiser']}, but it opened {found['target']}")
    seconds = {name: figures["stages"][name]["median"] for name in ("vae_decoder", "total")}
    return {
        "open": figures["open_seconds"],
        "cold": figures["cold_seconds"]["median"],
        "warm": [{"step": figures["row_seconds"]["median"], **seconds}],
        "peak_gb": figures["cold_megabytes"]["median"] / 1e3,
        "versions": {name: figures["provenance"].get(name) for name in ("latentlink", *job["packages"])},
    }


def _stages(marks: list[float], total: float, decoder: float) -> Stages:
    """Stages from the times after each step. The first step is unknown, as text encoding precedes it."""
    if len(marks) < 2:
        raise ValueError(f"{len(marks)} steps were reported; expected at least 2")
    steps = [after - before for before, after in pairwise(marks)]
    return {"step": statistics.median(steps), "vae_decoder": decoder, "total": total}


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Open the model, and draw once cold and then warm.

    Args:
        job: `side`, `model`, `prepared`, `started` (seconds since the epoch when the process was started), and the
            settings of a picture; for ours also `target`, the expected target of the `denoiser`, and `settings`.

    Returns:
        `open`, `cold` (seconds from the process's start to the first picture), `warm` (stages of each), `versions`.
    """
    if job["program"]:
        return native(job)
    began = now()
    draw = SIDES[job["side"]](job)
    opened = now() - began
    picture, _ = draw(job["seed"])
    cold = time.time() - job["started"]
    warm = [draw(job["seed"] + number)[1] for number in range(1, job["warm"] + 1)]
    if job["picture"]:
        picture.save(job["picture"])
    versions = {}
    for name in job["packages"]:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"open": opened, "cold": cold, "warm": warm, "versions": versions}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path, help="JSON file to read")
    parser.add_argument("result", type=Path, help="JSON file to write")
    given = parser.parse_args()
    made = run(json.loads(given.job.read_text(encoding="utf-8")))
    given.result.write_text(json.dumps(made), encoding="utf-8")
