"""The first run of every engine, before anybody waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from latentlink.errors import UsageError
from latentlink.runtime.samplers import read_schedule, samplers_for

if TYPE_CHECKING:
    from latentlink.runtime.pipeline import Pipeline


def warm_up(pipe: Pipeline, options: Mapping[str, Any]) -> None:
    """Run every engine of a pipeline once; see `Pipeline.warm_up`.

    Args:
        pipe: The pipeline.
        options: Requested size and number of pictures.
    """
    from PIL import Image

    components = {engine.component for engine in pipe.engines}
    size = options.get("width", pipe.sampling.width), options.get("height", pipe.sampling.height)
    decodes = "vae_decoder" in components
    if "denoiser" in components:
        _draw(pipe, options, size, decode=decodes)
    if "vae_encoder" in components:
        latents = pipe.encode(Image.new("RGB", size), guard="off")
        if decodes and "denoiser" not in components:
            pipe.decode(latents, guard="off")


def _draw(pipe: Pipeline, options: Mapping[str, Any], size: tuple[int, int], *, decode: bool) -> None:
    from PIL import Image

    settings: dict[str, Any] = {
        **options,
        "sampler": samplers_for(read_schedule(pipe.sampling.schedule))[0],  # one that can make a single step
        "steps": 1,
        "seed": 0,
        "step_cache": 1,
        "guard": "off",  # what one step makes is no picture
    }
    if any(port.kind == "latent" and port.slot == "masked" for port in pipe.linked.denoiser.session.inputs):
        settings |= {"init_image": Image.new("RGB", size), "mask_image": Image.new("L", size, 255)}
    pipe.generate("", **settings, decode=decode)
    if pipe.linked.shallow is not None:
        with suppress(UsageError):  # a step cache below the gate is never used
            pipe.generate("", **{**settings, "steps": 2, "step_cache": 2}, decode=False)
