"""A run: one picture on its way through the denoiser, and where its tensors stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from latentlink.ports import HISTORY
from latentlink.runtime.samplers import SamplerTable
from latentlink.runtime.samplers.noise import Float32
from latentlink.runtime.sessions import Buffer, Session


class Slot(NamedTuple):
    """One row of a buffer.

    Args:
        buffer: The buffer.
        row: Number of the row.
        rows: Number of rows in the buffer.
        shape: Shape of one row.
    """

    buffer: Buffer
    row: int
    rows: int
    shape: tuple[int, ...]


def slots(buffer: Buffer, rows: int, shape: Sequence[int]) -> list[Slot]:
    """All rows of a buffer, each of this shape."""
    return [Slot(buffer, row, rows, tuple(shape)) for row in range(rows)]


def collect(session: Session, wanted: Sequence[Slot | None]) -> Buffer:
    """One buffer of these rows, on the session's device; None, where another row says the shape, is zeros.

    Rows that are all of one buffer, in order, are that buffer itself: who writes to it must own it. Rows of several
    buffers are copied through the host.
    """
    known = [slot for slot in wanted if slot is not None]
    first = known[0]
    if all(slot.buffer is first.buffer for slot in known):
        rows = [-1 if slot is None else slot.row for slot in wanted]
        if rows == [*range(first.rows)]:
            return first.buffer
        return session.gather(first.buffer, rows, (len(rows), *first.shape))
    copies = iter(on_host(known))
    zeros = np.zeros(first.shape, first.buffer.numpy().dtype)
    return session.upload(np.stack([zeros if slot is None else next(copies) for slot in wanted]))


def on_host(wanted: Sequence[Slot]) -> NDArray[np.floating]:
    """The rows on the host, stacked; each buffer is copied once."""
    arrays = {id(slot.buffer): slot.buffer.numpy().reshape(slot.rows, *slot.shape) for slot in wanted}
    return np.stack([arrays[id(slot.buffer)][slot.row] for slot in wanted])


class Text(NamedTuple):
    """What one text port of the denoiser reads for a picture.

    Args:
        prompt: The prompt's embedding.
        unconditional: That of the negative prompt; None is zeros.
    """

    prompt: Slot
    unconditional: Slot | None


class State(NamedTuple):
    """A run's tensors between two rows.

    Args:
        x: Its latent.
        past: Its newest D's; None is zeros, where there was no such row yet.
        features: By tensor name, the deep features of its last whole row: of the unconditional prediction, None if
            there is none, and of the conditional one.
    """

    x: Slot
    past: tuple[Slot | None, ...]
    features: Mapping[str, tuple[Slot | None, Slot]]


class Home(Protocol):
    """Where a run's tensors stand: in the batch that it steps with."""

    def state(self, run: Run) -> State:
        """The run's tensors, as of the last row that ran."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """The home of a run that has not begun.

    Args:
        x: Its latent.
    """

    x: Slot

    def state(self, run: Run) -> State:
        """Its latent: there are no earlier rows."""
        return State(x=self.x, past=(None,) * HISTORY, features={})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Around:
    """A picture that is kept outside of a mask.

    Args:
        mask: float32 `[1, h, w]`, 1 where to paint, 0 where to keep.
        picture: The picture's latent, float32 `[C, h, w]`, before the first row.
        noise: Noise that brings it to every row's level: the same that the run's latent began with.
    """

    mask: Float32
    picture: Float32
    noise: Float32

    def over(self, x: NDArray[np.floating], signal: float, noise: float) -> NDArray[np.floating]:
        """x inside the mask, and the picture at this noise level outside of it."""
        return self.mask * x + (1 - self.mask) * (signal * self.picture + noise * self.noise)


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One picture on its way through the denoiser.

    Args:
        table: The sampler's rows.
        coefficients: The rows as the engine reads them, float32 `[R, 15]`.
        clean: For every row the weights of x and D in the finished latent that it predicts, float32 `[R, 2]`.
        guidance: Guidance scale.
        within: bool `[R]`, the rows to which classifier-free guidance is applied if the scale asks for it.
        guided: bool `[R]`, the rows that run the network on both halves.
        every: The whole denoiser runs on every n-th step.
        texts: By tensor name of the denoiser's text port.
        paired: Whether the unconditional halves of `texts` are there.
        conditions: By tensor name, the numbers of the prompt and of the unconditional half.
        constant: By tensor name, further inputs that are the same in every row.
        around: The picture that is kept outside of a mask; None if there is none.
        draw: Draws standard normal noise `[C, h, w]`; called once for each row that draws, in order.
        home: Where its tensors stand.
        row: Rows that ran.
    """

    table: SamplerTable
    coefficients: Float32
    clean: Float32
    guidance: float
    within: NDArray[np.bool_]
    guided: NDArray[np.bool_]
    every: int
    texts: Mapping[str, Text]
    paired: bool
    conditions: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    constant: Mapping[str, Slot]
    around: Around | None
    draw: Callable[[], Float32]
    home: Home
    row: int = 0
    shallow: NDArray[np.bool_] = field(init=False)
    drawn: Float32 | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.shallow = shallow_rows(self.table, self.every, self.guided)
        self.draw_ahead()

    @property
    def state(self) -> State:
        """Its tensors, as of the last row that ran."""
        return self.home.state(self)

    @property
    def done(self) -> bool:
        """Whether all its rows ran."""
        return self.row == len(self.coefficients)

    @property
    def key(self) -> tuple[object, ...]:
        """Runs of equal keys can take their next row together: the engine, its rows of text and their length."""
        return self.guided[self.row], self.shallow[self.row], *(text.prompt.shape for text in self.texts.values())

    def advance(self) -> None:
        """Count a row that ran, and draw the noise of the next one."""
        self.row += 1
        self.draw_ahead()

    def draw_ahead(self) -> None:
        """Draw the next row's noise, while the engine may still be running the one before."""
        self.drawn = self.draw() if not self.done and self.table.draws[self.row] else None


def shallow_rows(table: SamplerTable, every: int, guided: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool `[R]`: the rows that run the shallow denoiser.

    The whole one runs on the first row, on every n-th step, and whenever the number of predictions changes, as the
    feature has one row per prediction.
    """
    rows: NDArray[np.bool_] = (table.step - table.step[0]) % every != 0
    whole = 0
    for row in range(len(rows)):
        if not rows[row] or guided[row] != guided[whole]:
            rows[row], whole = False, row
    return rows
