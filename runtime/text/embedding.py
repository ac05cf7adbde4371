"""From token ids to embeddings, which stay on the text encoder's device unless the host has to compute with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentlink.ports import Port
from latentlink.runtime.linking import Engine
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.text.prompts import Tokens


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embeddings:
    """One text output for several prompts.

    Args:
        session: The session that owns the buffer.
        buffer: `[P*K, L, D]`: P prompts with K pieces each, prompt by prompt; pooled ones `[P*K, D]`.
        pieces: K.
        shape: Shape of one prompt's embedding: `[K*L, D]`, or `[D]` if it is pooled, from the first piece.
    """

    session: Session
    buffer: Buffer
    pieces: int
    shape: tuple[int, ...]

    def rows(self, numbers: Sequence[int]) -> Buffer:
        """Embeddings of the prompts with these numbers, `[N, K*L, D]` or `[N, D]`; -1 gives a row of zeros."""
        step = self.pieces if len(self.shape) == 1 else 1
        return self.session.gather(
            self.buffer, [max(number * step, -1) for number in numbers], (len(numbers), *self.shape)
        )


def encode(engine: Engine, read: Tokens) -> dict[str, Embeddings]:
    """Run a text encoder; returns every text output by tensor name.

    A weighted token's embedding moves away from, or towards, the empty prompt's embedding at the same position:
    `empty + weight * (embedding - empty)`.

    Args:
        engine: The text encoder.
        read: Tokens of the prompts, and of the empty prompt last.
    """
    session = engine.session
    weighted = bool((read.weights != 1).any())
    ids = read.ids if weighted else read.ids[:-1]
    pieces, length = ids.shape[1:]
    buffers = _run(engine, ids.reshape(-1, length))
    made = {}
    for port in session.outputs:
        pooled = len(port.shape) == 2
        shape = _shape(port, length)
        buffer = buffers[port.tensor]
        if weighted and not pooled:
            buffer = session.upload(_weigh(buffer.numpy().reshape(-1, pieces, *shape), read.weights))
        shape = shape if pooled else (pieces * shape[0], *shape[1:])
        made[port.tensor] = Embeddings(session=session, buffer=buffer, pieces=pieces, shape=shape)
    return made


def _weigh(array: NDArray[np.floating], weights: NDArray[np.float32]) -> NDArray[np.floating]:
    """Apply weights `[P, K, L]` to embeddings `[P, K, L, D]`, the empty prompt's last. Those of weight 1 stay as they
    are, bit by bit.
    """
    empty, weight = array[-1], weights[:, :, :, None].astype(array.dtype)
    return np.where(weight == 1, array, empty + weight * (array - empty))


def _shape(port: Port, length: int) -> tuple[int, ...]:
    """Shape of one row: `[L, D]`, one embedding per token unless the engine has a fixed size, or `[D]`."""
    sizes = (length, port.size("d"))[-len(port.shape[1:]) :]
    return tuple(size if isinstance(size, int) else other for size, other in zip(port.shape[1:], sizes, strict=True))


def _run(engine: Engine, ids: NDArray[np.int32]) -> dict[str, Buffer]:
    """Embeddings of every row of ids, in batches of as many rows as the engine was built for."""
    session = engine.session
    reads = next(port for port in engine.declared[0] if port.kind == "tokens")
    rows, length = ids.shape
    _, _, most = engine.limits.get(str(reads.shape[0]), (1, rows, rows))
    lots = [ids[first : first + most] for first in range(0, rows, most)]
    done = []
    for lot in lots:
        wanted = {
            port.tensor: session.empty((len(lot), *_shape(port, length)), np.dtype(port.dtype))
            for port in session.outputs
        }
        done.append(session.run({reads.tensor: session.upload(lot)}, wanted))
    if len(done) == 1:
        return dict(done[0])
    return {
        port.tensor: session.upload(np.concatenate([lot[port.tensor].numpy() for lot in done]))
        for port in session.outputs
    }
