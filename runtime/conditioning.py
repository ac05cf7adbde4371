"""What a denoiser reads beside latents: text of the prompts, conditions, guidance; a row for each prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import BundleError
from latentlink.ports import Port
from latentlink.runtime.link import Engine, Linked
from latentlink.runtime.prompts import Prompts
from latentlink.runtime.request import Request
from latentlink.runtime.sessions import Buffer


def conditioning(linked: Linked, prompts: Mapping[str, Prompts], request: Request) -> dict[str, Buffer]:
    """Buffers for every text, condition and guidance port of the denoiser.

    Args:
        linked: The engines.
        prompts: A tokenizer for every text encoder.
        request: What is asked.

    Returns:
        By tensor name: `[N, ...]`, N the pictures, or twice as many, unconditional ones first, where classifier-free
        guidance is on; guidance `[B]`.
    """
    session = linked.denoiser.session
    guidance = next((port for port in session.inputs if port.kind == "guidance"), None)
    guided = guidance is not None and guidance.name == "cfg" and request.guidance > 1
    made = _texts(linked, prompts, request, guided)
    for port in session.inputs:
        if port.kind == "condition":
            made[port.tensor] = _condition(linked.denoiser, port, request, guided)
    if guidance is not None:
        made[guidance.tensor] = np.full(request.batch, request.guidance, np.float32)
    return {tensor: session.upload(array) for tensor, array in made.items()}


def _texts(
    linked: Linked, prompts: Mapping[str, Prompts], request: Request, guided: bool
) -> dict[str, NDArray[np.floating]]:
    wanted: list[str | None] = [p for p in request.prompts for _ in range(request.num_images)]
    if guided:
        wanted = [n for n in request.negative_prompts for _ in range(request.num_images)] + wanted
    distinct = list(dict.fromkeys(prompt for prompt in wanted if prompt is not None)) or [""]
    rows = [0 if prompt is None else distinct.index(prompt) for prompt in wanted]
    absent = [prompt is None for prompt in wanted]
    engines = {engine.component: engine for engine, _ in linked.texts.values()}
    # Encoders whose embeddings are joined must agree on the number of pieces.
    pieces = max(prompts[component].pieces(distinct) for component in engines)
    written = {
        component: _encode(engine, prompts[component], distinct, pieces if prompts[component].chunks else 1)
        for component, engine in engines.items()
    }
    made = {}
    for tensor, (engine, port) in linked.texts.items():
        made[tensor] = written[engine.component][port.tensor][rows]
        made[tensor][absent] = 0
    return made


def _encode(engine: Engine, prompts: Prompts, texts: Sequence[str], pieces: int) -> dict[str, NDArray[np.floating]]:
    """Every text output for these texts: `[P, K*L, D]`, pooled ones `[P, D]` of the first piece.

    A weighted token's embedding is moved away from, or towards, what the empty prompt has in its place:
    `empty + weight * (embedding - empty)`.
    """
    read = prompts.tokens([*texts, ""], pieces)
    count = len(texts) if (read.weights == 1).all() else len(texts) + 1
    session = engine.session
    reads = next(port.tensor for port in session.inputs if port.kind == "tokens")
    ids = session.upload(read.ids[:count].reshape(count * pieces, -1))
    done = session.run({reads: ids}, {port.tensor: None for port in session.outputs})
    made = {}
    for port in session.outputs:
        array = done[port.tensor].numpy().reshape(count, pieces, *done[port.tensor].numpy().shape[1:])
        if array.ndim == 3:
            made[port.tensor] = array[: len(texts), 0]
            continue
        if count > len(texts):
            empty = array[-1]
            weights = read.weights[:count, :, :, None].astype(array.dtype)
            array = empty + weights * (array - empty)
        made[port.tensor] = array[: len(texts)].reshape(len(texts), -1, array.shape[-1])
    return made


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
