"""The denoising loop: rows go to the engine, the state stays on its device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import shown
from latentlink.errors import Cancelled, UsageError
from latentlink.ports import COEFFICIENTS, HISTORY, Port
from latentlink.runtime.samplers import COLUMNS, SamplerTable, clean_coefficients
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.sessions.clock import CLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a generation, for `on_step`.

    Args:
        row: Completed rows of the sampler's table, 1 to `rows`. A two-call solver has two rows per step.
        rows: Total number of rows.
        step: The user's step that this row belongs to, 1 to `steps`.
        steps: Total number of steps.
        seconds: Seconds since the first row began.
        latents: Copies the current latent, `[B, C, h, w]`; costs nothing unless called.
        predicted: Computes the finished latent that the row's call predicted, float32 `[B, C, h, w]`; costs nothing
            unless called. Outside of a mask it does not show the picture that is kept.
    """

    row: int
    rows: int
    step: int
    steps: int
    seconds: float
    latents: Callable[[], NDArray[np.floating]]
    predicted: Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Around:
    """A picture that is kept outside of a mask.

    Args:
        mask: float32 `[B, 1, h, w]`, 1 where to paint, 0 where to keep.
        picture: The picture's latent, float32 `[B, C, h, w]`.
        noise: Noise that brings it to every row's level: the same that the run's latent began with.
    """

    mask: NDArray[np.float32]
    picture: NDArray[np.float32]
    noise: NDArray[np.float32]

    def over(self, x: NDArray[np.floating], signal: float, noise: float) -> NDArray[np.floating]:
        """x inside the mask, and the picture at this noise level outside of it."""
        return self.mask * x + (1 - self.mask) * (signal * self.picture + noise * self.noise)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenoiseResult:
    """x after the last row.

    Args:
        array: x on the host, `[B, C, h, w]`.
        buffer: x in the denoiser's buffer; None if the host blended a picture in.
        seconds: Seconds that the run spent inside engines.
    """

    array: NDArray[np.floating]
    buffer: Buffer | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reuse:
    """Rows that run a shallow engine on the feature that the last row of the whole denoiser wrote.

    Args:
        session: The shallow engine, which can read the denoiser's buffers.
        rows: bool `[R]`, True for rows of the shallow engine; the first is False.
    """

    session: Session
    rows: NDArray[np.bool_]


OnStep = Callable[[Progress], object]
"""Called after every row. Any false value but None cancels (False, 0, numpy's False); None and true values go on. What
it raises ends the run and reaches the caller unchanged."""


def denoise(
    session: Session,
    *,
    latent: Port,
    table: SamplerTable,
    prediction: str,
    start: NDArray[np.float32],
    conditioning: Sequence[Mapping[str, Buffer]],
    constant: Mapping[str, Buffer],
    noise: Callable[[], NDArray[np.float32]],
    around: Around | None = None,
    reuse: Reuse | None = None,
    on_step: OnStep | None = None,
) -> DenoiseResult:
    """Run every row of `table`.

    Args:
        session: The denoiser.
        latent: Its latent output.
        table: The sampler's rows.
        prediction: What the model predicts, see `clean_coefficients`.
        start: x before the first row, `[B, C, h, w]`.
        conditioning: For every row its text, guidance and conditions, and a buffer for the feature if the denoiser
            writes one. The number of predictions per picture may change from row to row: x and the Ds do not depend
            on it.
        constant: Further buffers that the engine reads in every row.
        noise: Draws standard normal noise of `start`'s shape; called once for each row that draws, in order, while
            the engine may still be running the row before.
        around: A picture to keep outside of a mask, for a denoiser that blends.
        reuse: Rows that run the shallow engine; None if there are none.
        on_step: Called after each row.

    Raises:
        Cancelled: `on_step` returned a false value that is not None.
        UsageError: It returned an awaitable, or a value that is neither true nor false.
    """
    dtype = np.dtype(latent.dtype)
    coefficients = next(port.tensor for port in session.inputs if port.kind == "coefficients")
    history = [latent.at(f"history{age}").tensor for age in range(1, HISTORY + 1)]
    x_in, noise_in = latent.at("x").tensor, latent.at("noise").tensor
    x_out, denoised_out = latent.tensor, latent.at("denoised").tensor
    features = [port.tensor for port in session.outputs if port.kind == "feature"]
    engines = (session,) if reuse is None else (session, reuse.session)
    reads = {engine: {port.tensor for port in engine.inputs} for engine in engines}

    # Buffers are made once and used in turn: x is read from one and written to the other; a step overwrites the
    # oldest D, which it no longer reads, with its own.
    zeros = np.zeros(start.shape, dtype)
    x, spare = session.upload(start.astype(dtype)), session.empty(start.shape, dtype)
    past = [session.upload(zeros) for _ in range(HISTORY + 1)]
    noise_buffer = session.upload(zeros)
    constant = {**_blend_buffers(session, latent, start.shape, around), **constant}
    batch = start.shape[0]
    rows = np.repeat(_coefficients(table, around is not None).astype(np.float32)[:, None], batch, axis=1)
    row_buffer = session.upload(rows[0])
    clean = clean_coefficients(table, prediction).astype(np.float32)

    before, began = CLOCK.engines, perf_counter()
    drawn = noise().astype(dtype) if table.draws[0] else None
    for number, row in enumerate(rows):
        if drawn is not None:
            session.write(noise_buffer, drawn)
        session.write(row_buffer, row)
        feeds = {
            x_in: x,
            noise_in: noise_buffer,
            coefficients: row_buffer,
            **dict(zip(history, past, strict=False)),
            **constant,
            **conditioning[number],
        }
        engine = session if reuse is None or not reuse.rows[number] else reuse.session
        written = {tensor: feeds[tensor] for tensor in features if engine is session}
        inputs = {tensor: buffer for tensor, buffer in feeds.items() if tensor in reads[engine]}
        engine.run(inputs, {x_out: spare, denoised_out: past[-1], **written})
        x, spare = spare, x
        past.insert(0, past.pop())
        drawn = noise().astype(dtype) if table.draws[number + 1 : number + 2].any() else None
        if on_step is None:
            continue
        engine.wait()  # so that progress is true and a cancelled run has little left to do
        progress = Progress(
            row=number + 1,
            rows=len(rows),
            step=int(table.step[number]) + 1,
            steps=table.steps,
            seconds=perf_counter() - began,
            latents=partial(_copy, x),
            predicted=partial(_sum, clean[number], spare, past[0]),  # spare is what the row read
        )
        if _cancels(on_step(progress)):
            raise Cancelled(f"Cancelled by on_step after row {number + 1} of {len(rows)}.")
    final = _copy(x)
    for engine in engines:
        engine.wait()
    seconds = CLOCK.engines - before
    if around is None:
        return DenoiseResult(array=final, buffer=x, seconds=seconds)
    signal, level = table.levels[-1]
    return DenoiseResult(array=around.over(final, signal, level).astype(dtype), buffer=None, seconds=seconds)


def _cancels(answer: object) -> bool:
    """Whether what `on_step` returned ends the run.

    Raises:
        UsageError: It is an awaitable, or has no truth value.
    """
    expected = "expected None or True to go on, or False to cancel"
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()  # or Python warns that it was never awaited
        raise UsageError(f"on_step returned {type(answer).__name__}, which nobody awaits; {expected}.")
    try:
        return answer is not None and not answer
    except Exception:  # several numbers of an array have no truth value
        raise UsageError(f"on_step returned {shown(answer)}, which is neither true nor false; {expected}.") from None


def _coefficients(table: SamplerTable, blends: bool) -> NDArray[np.float64]:
    """The table's rows with the columns for blending, `[R, 15]`; the first row does not blend."""
    count = len(table.rows)
    columns = dict(zip(COLUMNS, table.rows.T, strict=True))
    columns |= {"own": np.zeros(count), "keep": np.ones(count), "init": np.zeros(count), "renoise": np.zeros(count)}
    if blends:
        columns["own"] = np.where(table.recovers, columns["a"], 0)
        columns["a"] = np.where(table.recovers, 0, columns["a"])
        columns["keep"][1:] = 0
        columns["init"][1:], columns["renoise"][1:] = table.levels[1:-1].T
    return np.stack([columns[name] for name in COEFFICIENTS], axis=1)


def _blend_buffers(session: Session, latent: Port, shape: tuple[int, ...], around: Around | None) -> dict[str, Buffer]:
    """Inputs of a blending denoiser for the picture around the mask; zeros if there is none."""
    dtype = np.dtype(latent.dtype)
    picture, noise = latent.at("init").tensor, latent.at("initnoise").tensor
    if picture not in {port.tensor for port in session.inputs}:
        return {}
    mask = next(port.tensor for port in session.inputs if port.kind == "mask")
    zeros = np.zeros(shape, dtype)
    return {
        picture: session.upload(zeros if around is None else around.picture.astype(dtype)),
        noise: session.upload(zeros if around is None else around.noise.astype(dtype)),
        mask: session.upload(np.zeros((shape[0], 1, *shape[2:]), np.float32) if around is None else around.mask),
    }


def _copy(buffer: Buffer) -> NDArray[np.floating]:
    array: NDArray[np.floating] = buffer.numpy().copy()
    return array


def _sum(weights: NDArray[np.float32], *buffers: Buffer) -> NDArray[np.float32]:
    """The weighted sum of the buffers."""
    arrays = [buffer.numpy().astype(np.float32) for buffer in buffers]
    return np.asarray(np.tensordot(weights, np.stack(arrays), axes=1))
