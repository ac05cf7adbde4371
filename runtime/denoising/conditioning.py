"""What a denoiser reads beside latents: text embeddings and conditions of every picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import BundleError, UsageError
from latentlink.ports import Port
from latentlink.runtime.denoising.run import Slot, Text, on_host, slots
from latentlink.runtime.linking import Engine, Linked
from latentlink.runtime.request import Request
from latentlink.runtime.text import PromptEmbeddings, Prompts, Tokens, encode

Numbers = Sequence[float]


def read_texts(
    linked: Linked, prompts: Mapping[str, Prompts], requests: Sequence[Request], paired: Sequence[bool]
) -> list[dict[str, Text]]:
    """For every picture, the embeddings of the denoiser's text ports by tensor name.

    A prompt and its negative prompt have as many pieces as the longer of them needs, whatever the other pictures have:
    so that each picture is the one that it would be alone. Equal prompts are encoded once.

    Args:
        linked: The engines.
        prompts: A tokenizer for every text encoder.
        requests: The request of every picture.
        paired: For every picture whether the unconditional half is read too.

    Raises:
        UsageError: A prompt is longer than an encoder or the denoiser reads.
    """
    engines = {engine.component: engine for engine, _ in linked.texts.values()}
    wanted = [
        (request.negative_prompt, request.prompt) if both else (None, request.prompt)
        for request, both in zip(requests, paired, strict=True)
    ]
    # encoders whose embeddings are joined must agree on the number of pieces
    pieces = [
        max((prompts[name].pieces([one for one in pair if one is not None]) for name in engines), default=1)
        for pair in wanted
    ]
    made: list[dict[str, Text]] = [{} for _ in requests]
    for count in sorted(set(pieces)):
        own = [number for number, found in enumerate(pieces) if found == count]
        read = _encode(linked, prompts, [text for number in own for text in wanted[number] if text is not None], count)
        for number in own:
            negative, prompt = wanted[number]
            made[number] = {
                tensor: Text(rows[prompt], None if negative is None else rows[negative])
                for tensor, rows in read.items()
            }
    return made


def _encode(
    linked: Linked, prompts: Mapping[str, Prompts], texts: Sequence[str], pieces: int
) -> dict[str, dict[str, Slot]]:
    """By tensor name of the denoiser's port and by text, its embedding in so many pieces."""
    distinct = list(dict.fromkeys(texts))
    engines = {engine.component: engine for engine, _ in linked.texts.values()}
    read = {name: prompts[name].tokens([*distinct, ""], pieces if prompts[name].chunks else 1) for name in engines}
    for tensor, (engine, _) in linked.texts.items():
        _check_length(linked.denoiser, tensor, read[engine.component])
    written = {name: encode(engine, read[name]) for name, engine in engines.items()}
    made = {}
    for tensor, (engine, port) in linked.texts.items():
        embeddings = written[engine.component][port.tensor]
        buffer = linked.denoiser.session.take(embeddings.rows(range(len(distinct))))
        made[tensor] = dict(zip(distinct, slots(buffer, len(distinct), embeddings.shape), strict=True))
    return made


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


def upload_texts(linked: Linked, encoded: PromptEmbeddings) -> list[dict[str, Text]]:
    """For every prompt that was encoded before, its embeddings on the denoiser's device by tensor name."""
    session = linked.denoiser.session
    made: list[dict[str, Text]] = []
    for arrays in encoded.arrays:
        own = {}
        for tensor, (prompt, negative) in arrays.items():
            both = [prompt] if negative is None else [prompt, negative]
            rows = slots(session.upload(np.stack(both)), len(both), prompt.shape)
            own[tensor] = Text(rows[0], None if negative is None else rows[1])
        made.append(own)
    return made


def download_texts(texts: Sequence[Mapping[str, Text]]) -> list[dict[str, tuple[NDArray[Any], NDArray[Any] | None]]]:
    """The embeddings of every prompt on the host, by tensor name."""

    def copied(slot: Slot | None) -> NDArray[Any] | None:
        return None if slot is None else on_host([slot])[0]

    return [
        {tensor: (on_host([text.prompt])[0], copied(text.unconditional)) for tensor, text in one.items()}
        for one in texts
    ]


def conditions_of(denoiser: Engine, request: Request) -> dict[str, tuple[Numbers, Numbers]]:
    """By tensor name of the denoiser's condition ports, the numbers of the prompt and of the unconditional half.

    Raises:
        BundleError: The manifest has no such numbers.
    """
    return {
        port.tensor: _numbers(denoiser, port, request) for port in denoiser.session.inputs if port.kind == "condition"
    }


def _numbers(denoiser: Engine, port: Port, request: Request) -> tuple[Numbers, Numbers]:
    pair = request.conditions.get(port.name)
    if pair is None or len(pair[0]) != port.size("k"):
        raise BundleError(
            f"{denoiser.title} reads the condition {port.name!r} of {port.size('k')} numbers, but the manifest's "
            f"sampling has {'none' if pair is None else len(pair[0])} for it.",
            remedy="The manifest was edited or belongs to another engine: build the bundle again.",
        )
    return pair


def embeddings(texts: Sequence[Mapping[str, Text]], tensor: str) -> list[NDArray[np.floating]]:
    """All embeddings of a port on the host, for the guard, as arrays of any number of rows."""
    buffers = {id(slot.buffer): slot.buffer for one in texts for slot in one[tensor] if slot is not None}
    return [buffer.numpy() for buffer in buffers.values()]
