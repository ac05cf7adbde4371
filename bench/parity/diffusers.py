"""A checkpoint run by diffusers: the reference of every comparison."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.bench.parity.case import Case, start_mask, start_picture
from latentlink.bench.parity.diffusers_interval import GuidanceWithin
from latentlink.bench.parity.diffusers_step_cache import DeepLayerReuse
from latentlink.bench.parity.schedulers import scheduler_for

_FIRST = {
    "text2img": "StableDiffusionPipeline",
    "img2img": "StableDiffusionImg2ImgPipeline",
    "inpaint": "StableDiffusionInpaintPipeline",
}
_XL = {
    "text2img": "StableDiffusionXLPipeline",
    "img2img": "StableDiffusionXLImg2ImgPipeline",
    "inpaint": "StableDiffusionXLInpaintPipeline",
}
_THIRD = {
    "text2img": "StableDiffusion3Pipeline",
    "img2img": "StableDiffusion3Img2ImgPipeline",
    "inpaint": "StableDiffusion3InpaintPipeline",
}
_FLUX = {"text2img": "FluxPipeline", "img2img": "FluxImg2ImgPipeline", "inpaint": "FluxInpaintPipeline"}

# The pipeline of latent consistency models only runs its own scheduler; the plain pipeline also passes guidance to the
# network, and its start pictures use strength as other pipelines do.
PIPELINES: Mapping[str, Mapping[str, str]] = {
    kind: kinds for kinds in (_FIRST, _XL, _THIRD, _FLUX) for kind in kinds.values()
} | {"LatentConsistencyModelPipeline": _FIRST}
"""By pipeline class of a checkpoint, the class of the same family for each kind of case."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The result of diffusers.

    Args:
        latents: float32 `[B, C, h, w]`, unpacked.
        pictures: uint8 `[B, H, W, 3]`.
    """

    latents: NDArray[np.float32]
    pictures: NDArray[np.uint8]


class Diffusers:
    """A checkpoint opened by diffusers in float32, offline.

    Args:
        checkpoint: A diffusers directory.
    """

    def __init__(self, checkpoint: str | Path) -> None:
        self._folder = Path(checkpoint)
        self._index = json.loads((self._folder / "model_index.json").read_text(encoding="utf-8"))
        self._opened: dict[str, Any] = {}

    @property
    def flow(self) -> bool:
        """Whether the model predicts flows."""
        return str(self._index["scheduler"][1]).startswith("FlowMatch")

    def run(self, case: Case, *, latents: NDArray[np.float32] | None = None) -> Reference:
        """Run a case with the noise of `torch.Generator("cpu")`.

        Args:
            case: What to make.
            latents: Start latents, if `denoising_start` is given.
        """
        import torch

        pipeline = self._pipeline(PIPELINES[self._index["_class_name"]][case.kind])
        pipeline.scheduler = scheduler_for(case["sampler"], self._scheduler)
        arguments = _arguments(case)
        if latents is not None:
            arguments["image"] = torch.from_numpy(latents)
        if getattr(pipeline, "transformer", None) and pipeline.transformer.config.get("guidance_embeds") is False:
            # as its model card says; the pipeline's default is that of the guided model
            arguments["max_sequence_length"] = 256
        accepted = inspect.signature(pipeline.__call__).parameters
        within, reused = (
            GuidanceWithin(pipeline, case["guidance_interval"]),
            DeepLayerReuse(pipeline, case["step_cache"] or 1),
        )
        with torch.no_grad(), _OwnStepCount(pipeline, case["steps"]), within, reused:
            made = pipeline(**{name: value for name, value in arguments.items() if name in accepted}).images
            if made.ndim == 3:
                made = pipeline._unpack_latents(made, case["height"], case["width"], pipeline.vae_scale_factor)
            vae = pipeline.vae
            decoded = vae.decode(made / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)).sample
        pictures = pipeline.image_processor.postprocess(decoded, output_type="np")
        return Reference(latents=made.numpy(), pictures=(pictures * 255).round().astype(np.uint8))

    def own_error(self, case: Case) -> float:
        """How far diffusers differs from itself if the start noise is rounded differently; the larger of two draws.

        A solver that is unstable at so few steps amplifies the last bit of a float32 number; no two programs, and no
        two numbers of threads, then agree better than this.

        Args:
            case: A case that starts from noise.

        Returns:
            Norm of the latents' difference over the norm of the latents, with every number of the noise multiplied by
            1 + 6e-8 * a standard normal number.
        """
        import torch

        pipeline = self._pipeline(PIPELINES[self._index["_class_name"]][case.kind])
        generator = torch.Generator("cpu").manual_seed(case["seed"])
        factor = pipeline.vae_scale_factor
        count = len(case.prompts) * case["num_images"]
        shape = (count, pipeline.unet.config.in_channels, case["height"] // factor, case["width"] // factor)
        noise, after = torch.randn(shape, generator=generator), generator.get_state()
        made = []
        for draw in range(3):
            generator.set_state(after)
            other = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(draw))
            pipeline.scheduler = scheduler_for(case["sampler"], self._scheduler)
            arguments = _arguments(case) | {"generator": generator}
            arguments["latents"] = noise * (1 + 6e-8 * other) if draw else noise
            with torch.no_grad(), _OwnStepCount(pipeline, case["steps"]):
                made.append(pipeline(**arguments).images.numpy())
        exact = np.linalg.norm(made[0])
        return max(float(np.linalg.norm(moved - made[0]) / exact) for moved in made[1:])

    def _pipeline(self, name: str) -> Any:
        import diffusers
        import torch

        if name not in self._opened:
            kind = getattr(diffusers, name)
            missing = {part: None for part, value in self._index.items() if value == [None, None]}
            if "safety_checker" in self._index:
                missing["safety_checker"] = None
            opened = kind.from_pretrained(str(self._folder), dtype=torch.float32, local_files_only=True, **missing)
            opened.set_progress_bar_config(disable=True)
            self._scheduler = opened.scheduler.config
            self._opened[name] = opened
        return self._opened[name]


class _OwnStepCount:
    """Makes FLUX's pipelines find their start by steps; they count the calls of the scheduler instead."""

    def __init__(self, pipeline: Any, steps: int) -> None:
        self._pipeline = pipeline
        self._steps = steps

    def __enter__(self) -> None:
        if type(self._pipeline).__name__ in (_FLUX["img2img"], _FLUX["inpaint"]):
            found = type(self._pipeline).get_timesteps
            self._pipeline.get_timesteps = lambda calls, *rest: found(self._pipeline, self._steps, *rest)

    def __exit__(self, *reason: object) -> None:
        vars(self._pipeline).pop("get_timesteps", None)


def _arguments(case: Case) -> dict[str, Any]:
    import torch

    arguments: dict[str, Any] = {
        "prompt": [*case.prompts],
        "num_inference_steps": case["steps"],
        "guidance_scale": case["guidance"],
        "num_images_per_prompt": case["num_images"],
        "generator": torch.Generator("cpu").manual_seed(case["seed"]),
        "output_type": "latent",
        "width": case["width"],
        "height": case["height"],
    }
    if case["negative_prompt"] is not None:
        arguments["negative_prompt"] = [case["negative_prompt"]] * len(case.prompts)
    if case.kind != "text2img" and case["denoising_start"] is None:
        arguments["image"] = start_picture(case["width"], case["height"])
    if case.kind == "inpaint":
        arguments["mask_image"] = start_mask(case["width"], case["height"])
    for name in ("strength", "denoising_start", "denoising_end"):
        if case[name] is not None:
            arguments[name] = case[name]
    return arguments
