"""From pictures that were asked for to runs that can step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from latentlink.ports import Port
from latentlink.runtime.denoising.conditioning import Numbers
from latentlink.runtime.denoising.guidance import Guided, rows_within
from latentlink.runtime.denoising.loop import coefficients
from latentlink.runtime.denoising.run import Alone, Run, Text, slots
from latentlink.runtime.denoising.start import Encode, begin
from latentlink.runtime.request import Inputs, Request
from latentlink.runtime.samplers import SamplerTable, clean_coefficients
from latentlink.runtime.samplers.noise import dealt, noise_source
from latentlink.runtime.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a generation, as far as it is known before any engine runs.

    Args:
        request: Its request.
        table: Its sampler's rows.
        guided: Its guided rows.
        paired: Whether the unconditional half of its texts is read, or may be.
        conditions: By tensor name, the numbers of its prompt and of the unconditional half.
    """

    request: Request
    table: SamplerTable
    guided: Guided
    paired: bool
    conditions: Mapping[str, tuple[Numbers, Numbers]]


def runs_of(
    pictures: Sequence[Picture],
    texts: Sequence[Mapping[str, Text]],
    inputs: Inputs,
    *,
    session: Session,
    latent: Port,
    encode: Encode,
) -> list[Run]:
    """The runs of the pictures of one call, none of which has begun.

    Args:
        pictures: The pictures.
        texts: For each, the embeddings of its text ports by tensor name.
        inputs: What they start from.
        session: The denoiser.
        latent: Its latent port.
        encode: The VAE encoder.

    Raises:
        UsageError: The latents to start from are at another noise level.
    """
    batch, first, downscale = len(pictures), pictures[0].request, latent.size("f")
    size = (latent.size("c"), first.height // downscale, first.width // downscale)
    starts, draws = [], []
    together = batch if first.batch_seed else 1
    for number in range(0, batch, together):
        picture, shape = pictures[number], (together, *size)
        draw = noise_source(first.noise, picture.request.seed)
        starts.append(
            begin(
                inputs if together == batch else inputs.of(number, batch),
                picture.request,
                table=picture.table,
                shape=shape,
                latent=latent,
                ports=session.inputs,
                draw=draw,
                encode=encode,
            )
        )
        draws += dealt(partial(draw, shape), together)
    x = slots(session.upload(np.concatenate([one.x for one in starts]).astype(latent.dtype)), batch, size)
    constant = {
        tensor: slots(session.upload(np.concatenate([one.constant[tensor] for one in starts])), batch, array.shape[1:])
        for tensor, array in starts[0].constant.items()
    }
    around = [one for start in starts for one in start.around]
    return [
        Run(
            table=picture.table,
            coefficients=coefficients(picture.table, blends=around[number] is not None),
            clean=clean_coefficients(picture.table, picture.request.schedule.prediction_type).astype(np.float32),
            guidance=picture.request.guidance,
            within=rows_within(picture.request, picture.table),
            guided=picture.guided.copy(),
            every=picture.request.step_cache,
            texts=texts[number],
            paired=picture.paired,
            conditions=picture.conditions,
            constant={tensor: rows[number] for tensor, rows in constant.items()},
            around=around[number],
            draw=draws[number],
            home=Alone(x[number]),
        )
        for number, picture in enumerate(pictures)
    ]
