"""A denoiser network as a component: the step around it, and the ports for its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from latentlink.engine.bundle import SHALLOW
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.graphs import DTYPES, Component
from latentlink.export.parts.step import Step
from latentlink.export.parts.step_cache import ShallowUNet, WholeUNet, cut_unet
from latentlink.ports import (
    HISTORY,
    Port,
    coefficients_port,
    condition_port,
    guidance_port,
    latent_port,
    mask_port,
    text_port,
)
from latentlink.spaces import LatentSpace, TextEmbedding


def denoiser_component(
    predict: nn.Module,
    *,
    options: ExportOptions,
    space: LatentSpace,
    texts: Sequence[TextEmbedding],
    guidance: str | None = "cfg",
    conditions: Mapping[str, int] | None = None,
    repaints: bool = False,
    tokens: Mapping[str, str] | None = None,
) -> Component:
    """Make the denoiser's component.

    Args:
        predict: `(latent, timestep, *texts, *conditions[, w]) -> prediction`, see `Step`; if it halves latents and
            rounds up, `halvings` says how many times.
        options: Options of the export.
        space: Latent space that it reads and writes.
        texts: Text embeddings that it reads.
        guidance: A key of `latentlink.ports.GUIDANCE`, or None for a network without guidance.
        conditions: Names of further conditions that it reads, each with its number of values.
        repaints: Whether the network itself reads a mask and the picture around it (`2C + 1` input channels). For other
            networks the picture is blended in at every step.
        tokens: By name of an embedding, the name of its free token dimension if that is not `S`.
    """
    latent = latent_port(space, options.io_dtype)
    rows = "N" if guidance == "cfg" else "B"
    around = (latent.at("masked"),) if repaints else (latent.at("init"), latent.at("initnoise"))

    def ports_for(embeddings: Sequence[TextEmbedding], *features: Port) -> tuple[Port, ...]:
        """Input ports of a network that reads these embeddings, with features before them."""
        return (
            latent.at("x"),
            *(latent.at(f"history{age}") for age in range(1, HISTORY + 1)),
            latent.at("noise"),
            *around,
            mask_port(space.downscale),
            *features,
            *(
                text_port(text, options.io_dtype, rows=rows, tokens=(tokens or {}).get(text.name, "S"))
                for text in embeddings
            ),
            *(condition_port(name, size, rows=rows) for name, size in (conditions or {}).items()),
            *(() if guidance is None else (guidance_port(guidance),)),
            coefficients_port(),
        )

    def component(name: str, network: nn.Module, inputs: tuple[Port, ...], *features: Port) -> Component:
        return Component(
            name=name,
            module=Step(network, inputs, DTYPES[options.io_dtype]).eval(),
            inputs=inputs,
            outputs=(latent, latent.at("denoised"), *features),
            spaces=(space,),
            embeddings=tuple(texts),
            halvings=getattr(predict, "halvings", 0),
        )

    if options.step_cache is None:
        return component("denoiser", predict, ports_for(texts))
    at = cut_unet(predict, options.step_cache, space=space, texts=texts, rows=rows, dtype=options.io_dtype)
    shallow = component(SHALLOW, ShallowUNet(at, texts), ports_for(at.texts, at.feature))
    return replace(component("denoiser", WholeUNet(at), ports_for(texts), at.feature), shallow=shallow)
