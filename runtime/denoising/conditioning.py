"""What a denoiser reads beside latents: text embeddings, conditions, guidance; one row per prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import BundleError, UsageError
from latentlink.ports import Port
from latentlink.runtime.denoising.guidance import Guided
from latentlink.runtime.linking import Engine, Linked
from latentlink.runtime.request import Request
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.text import Prompts, Tokens, encode


def conditioning(
    linked: Linked, prompts: Mapping[str, Prompts], request: Request, guided: Guided
) -> dict[bool, dict[str, Buffer]]:
    """Buffers for every text, condition and guidance port of the denoiser, and for the feature that it writes.

    Args:
        linked: The engines.
        prompts: A tokenizer for every text encoder.
        request: The resolved request.
        guided: Which rows of the sampler's table are guided.

    Returns:
        Buffers by tensor name, for guided rows (True) and for the others (False), as far as there are any. A guided row
        reads `[2B, ...]`, the unconditional half first; another one reads `[B, ...]` of the same prompts. Guidance is
        `[B]`.
    """
    session = linked.denoiser.session
    made = _texts(linked, prompts, request, sorted({*guided.tolist()}))
    for port in session.inputs:
        for both, feeds in made.items():
            if port.kind == "condition":
                feeds[port.tensor] = session.upload(_condition(linked.denoiser, port, request, both))
            if port.kind == "guidance":
                feeds[port.tensor] = session.upload(np.full(request.batch, request.guidance, np.float32))
    for port in session.outputs:
        if port.kind == "feature":
            height, width = (side // port.size("f") for side in (request.height, request.width))
            for both, feeds in made.items():
                shape = (request.batch * (2 if both else 1), port.size("c"), height, width)
                feeds[port.tensor] = session.empty(shape, np.dtype(port.dtype))
    return made


def _texts(
    linked: Linked, prompts: Mapping[str, Prompts], request: Request, kinds: Sequence[bool]
) -> dict[bool, dict[str, Buffer]]:
    """Buffers of the denoiser's text ports: one row per prediction, zeros if there is no negative prompt."""
    positive, negative = (
        [prompt for prompt in listed for _ in range(request.num_images)]
        for listed in (request.prompts, request.negative_prompts)
    )
    wanted = {both: negative + positive if both else positive for both in kinds}
    distinct = list(dict.fromkeys(prompt for prompt in wanted[max(kinds)] if prompt is not None)) or [""]
    engines = {engine.component: engine for engine, _ in linked.texts.values()}
    # Encoders whose embeddings are joined must agree on the number of pieces.
    pieces = max(prompts[component].pieces(distinct) for component in engines)
    read = {name: prompts[name].tokens([*distinct, ""], pieces if prompts[name].chunks else 1) for name in engines}
    for tensor, (engine, _) in linked.texts.items():
        _check_length(linked.denoiser, tensor, read[engine.component])
    written = {name: encode(engine, read[name]) for name, engine in engines.items()}
    session = linked.denoiser.session
    return {
        both: {
            tensor: session.take(
                written[engine.component][port.tensor].rows(
                    [-1 if prompt is None else distinct.index(prompt) for prompt in listed]
                )
            )
            for tensor, (engine, port) in linked.texts.items()
        }
        for both, listed in wanted.items()
    }


def _check_length(denoiser: Engine, tensor: str, read: Tokens) -> None:
    """Refuse prompts that are longer than the denoiser was built for."""
    port = next(port for port in denoiser.declared[0] if port.tensor == tensor)
    dim = port.shape[1] if len(port.shape) == 3 else None
    if not isinstance(dim, str) or dim not in denoiser.limits:
        return
    pieces, length = read.ids.shape[1:]
    _, _, most = denoiser.limits[dim]
    if pieces * length > most:
        raise UsageError(
            f"The prompt is read in {pieces} pieces = {pieces * length} tokens, but {denoiser.title} was built for at "
            f"most {most}.",
            remedy="Shorten the prompt, or use an engine without limits: build the bundle for ort-cpu too.",
        )


def _condition(denoiser: Engine, port: Port, request: Request, guided: bool) -> NDArray[np.float32]:
    pair = request.conditions.get(port.name)
    if pair is None or len(pair[0]) != port.size("k"):
        raise BundleError(
            f"{denoiser.title} reads the condition {port.name!r} of {port.size('k')} numbers, but the manifest's "
            f"sampling has {'none' if pair is None else len(pair[0])} for it.",
            remedy="The manifest was edited or belongs to another engine: build the bundle again.",
        )
    rows = [pair[1]] * request.batch + [pair[0]] * request.batch if guided else [pair[0]] * request.batch
    return np.array(rows, np.float32)
