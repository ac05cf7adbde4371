"""Token ids to embeddings: pieces, rows and lots, on an encoder whose numbers say which token they are of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from latentlink.ports import text_port, tokens_port
from latentlink.runtime.linking import Engine
from latentlink.runtime.text import Tokens, encode
from latentlink.spaces import TextEmbedding

PIECES, LENGTH = 3, 5


class Written:
    """A buffer whose copies to the host are counted."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.copies = 0

    def numpy(self) -> NDArray[Any]:
        self.copies += 1
        return self.array


class Recorder:
    """A text encoder that writes, for every row of tokens, each of its tokens, and its second one pooled."""

    def __init__(self) -> None:
        hidden = TextEmbedding(name="words", width=1)
        self.inputs = (tokens_port("words", LENGTH, "0" * 64),)
        self.outputs = (text_port(hidden), text_port(replace(hidden, output="pooled")))
        self.lots: list[int] = []
        self.made: list[Written] = []

    def upload(self, array: NDArray[Any]) -> Any:
        return Written(array)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        self.made.append(Written(np.zeros(shape, dtype)))
        return self.made[-1]

    def gather(self, buffer: Any, rows: list[int], shape: tuple[int, ...]) -> Any:
        found = buffer.array.reshape(-1, *shape[1:])
        return Written(np.stack([found[row] if row >= 0 else np.zeros_like(found[0]) for row in rows]))

    def run(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        (tokens,) = (buffer.array for buffer in inputs.values())
        self.lots.append(len(tokens))
        hidden, pooled = outputs.values()
        hidden.array[...] = tokens[:, :, None]
        pooled.array[...] = tokens[:, 1:2]
        return outputs


def encoder(session: Recorder, **limits: tuple[int, int, int]) -> Engine:
    return Engine(
        component="text_encoder",
        bundle="words",
        session=session,  # type: ignore[arg-type]
        declared=(session.inputs, session.outputs),
        limits=limits,
    )


def tokens(prompts: int, weight: float = 1.0) -> Tokens:
    """Prompts whose every token is another one, and an empty one of zeros."""
    shape = (prompts, PIECES, LENGTH)
    ids = np.concatenate([1 + np.arange(np.prod(shape)).reshape(shape), np.zeros((1, *shape[1:]))]).astype(np.int32)
    weights = np.ones(ids.shape, np.float32)
    weights[:-1] = weight
    return Tokens(ids=ids, weights=weights)


def test_the_pooled_vector_is_that_of_the_first_piece() -> None:
    session = Recorder()
    read = tokens(2)
    hidden, pooled = encode(encoder(session), read).values()
    assert pooled.rows([1, 0]).numpy().tolist() == [[read.ids[1, 0, 1]], [read.ids[0, 0, 1]]]
    assert np.array_equal(hidden.rows([1]).numpy()[0, :, 0], read.ids[1].reshape(-1))


def test_rows_are_repeated_and_absent_ones_are_zeros() -> None:
    hidden, pooled = encode(encoder(Recorder()), tokens(1)).values()
    made = hidden.rows([-1, 0, 0]).numpy()
    assert made.shape == (3, PIECES * LENGTH, 1)
    assert not made[0].any()
    assert np.array_equal(made[1], made[2])
    assert pooled.rows([-1, 0]).numpy()[0] == 0


def test_without_weights_nothing_is_copied_to_the_host_and_the_empty_prompt_is_not_read() -> None:
    session = Recorder()
    hidden, pooled = encode(encoder(session), tokens(2)).values()
    hidden.rows([0, 1]), pooled.rows([0, 1])
    assert session.lots == [2 * PIECES]
    assert [buffer.copies for buffer in session.made] == [0, 0]


def test_a_weight_moves_an_embedding_away_from_the_empty_prompts() -> None:
    read = tokens(1, weight=1.5)
    hidden, pooled = encode(encoder(Recorder()), read).values()
    assert np.array_equal(hidden.rows([0]).numpy()[0, :, 0], 1.5 * read.ids[0].reshape(-1))
    assert pooled.rows([0]).numpy() == read.ids[0, 0, 1]


@pytest.mark.parametrize("most", [1, 4, 6])
def test_an_encoder_of_few_rows_reads_prompts_in_several_lots(most: int) -> None:
    session, read = Recorder(), tokens(2)
    hidden, pooled = encode(encoder(session, N=(1, 1, most)), read).values()
    assert max(session.lots) == most
    assert sum(session.lots) == 2 * PIECES
    assert np.array_equal(hidden.rows([0, 1]).numpy()[:, :, 0], read.ids[:2].reshape(2, -1))
    assert pooled.rows([1]).numpy() == read.ids[1, 0, 1]
