"""The denoising loop: all runs of a call, row by row, and what a caller changes between two rows."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import shown
from latentlink.errors import UsageError
from latentlink.options import OPTIONS
from latentlink.ports import COEFFICIENTS
from latentlink.runtime.denoising.guidance import applies, check_both, how_guided
from latentlink.runtime.denoising.progress import Change, Progress
from latentlink.runtime.denoising.run import Run, on_host, shallow_rows
from latentlink.runtime.denoising.stepper import Stepper, predicted
from latentlink.runtime.linking import Engine
from latentlink.runtime.request import each_picture
from latentlink.runtime.samplers import COLUMNS, SamplerTable
from latentlink.runtime.samplers.noise import Float32
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.sessions.clock import CLOCK


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenoiseResult:
    """x after the last row.

    Args:
        array: x of every run on the host, `[B, C, h, w]`.
        buffer: x in the denoiser's buffer; None if the runs ended in several, or the host blended a picture in.
        seconds: Seconds that the runs spent inside engines.
    """

    array: NDArray[np.floating]
    buffer: Buffer | None
    seconds: float


def denoise(
    denoiser: Engine, stepper: Stepper, runs: Sequence[Run], *, watched: bool
) -> Generator[Progress, Change | None, DenoiseResult]:
    """Run every row of every run; runs whose next rows fit into one run of the engine take it together.

    Args:
        denoiser: The denoiser.
        stepper: Its stepper.
        runs: The runs, none of which has begun.
        watched: Whether to wait for each row before it is reported, so that progress is true and a cancelled run has
            little left to do.

    Yields:
        The progress after every row; receives what to change from there on.

    Raises:
        UsageError: A change is not one that the runs can take.
    """
    longest = max(runs, key=lambda run: len(run.coefficients))
    before, began = CLOCK.engines, perf_counter()
    while any(not run.done for run in runs):
        groups: dict[tuple[object, ...], list[Run]] = {}
        for run in runs:
            if not run.done:
                groups.setdefault(run.key, []).append(run)
        for group in groups.values():
            stepper.step(group)
        if watched:
            stepper.wait()
        change = yield Progress(
            row=longest.row,
            rows=len(longest.coefficients),
            step=int(longest.table.step[longest.row - 1]) + 1,
            steps=longest.table.steps,
            seconds=perf_counter() - began,
            latents=lambda: on_host([run.state.x for run in runs]),
            predicted=lambda: predicted(runs),
        )
        if change is not None:
            _change_guidance(change.guidance, denoiser, runs)
            _change_latents(change.latents, stepper, runs)
    slots = [run.state.x for run in runs]
    whole = all(slot.buffer is slots[0].buffer and slot.row == row for row, slot in enumerate(slots))
    array = on_host(slots)
    stepper.wait()
    seconds = CLOCK.engines - before
    around = [run.around for run in runs]
    for number, (run, kept) in enumerate(zip(runs, around, strict=True)):
        if kept is not None:
            array[number] = kept.over(array[number], *run.table.levels[-1]).astype(array.dtype)
    blended = any(kept is not None for kept in around)
    return DenoiseResult(array=array, buffer=slots[0].buffer if whole and not blended else None, seconds=seconds)


def coefficients(table: SamplerTable, *, blends: bool) -> Float32:
    """The table's rows as an engine reads them, with the columns for blending, `[R, 15]`; the first does not blend.

    Args:
        table: The table.
        blends: Whether a picture is kept outside of a mask.
    """
    count = len(table.rows)
    columns = dict(zip(COLUMNS, table.rows.T, strict=True))
    columns |= {"own": np.zeros(count), "keep": np.ones(count), "init": np.zeros(count), "renoise": np.zeros(count)}
    if blends:
        columns["own"] = np.where(table.recovers, columns["a"], 0)
        columns["a"] = np.where(table.recovers, 0, columns["a"])
        columns["keep"][1:] = 0
        columns["init"][1:], columns["renoise"][1:] = table.levels[1:-1].T
    return np.stack([columns[name] for name in COEFFICIENTS], axis=1).astype(np.float32)


def _change_guidance(value: object, denoiser: Engine, runs: Sequence[Run]) -> None:
    if value is None:
        return
    for run, scale in zip(runs, each_picture(OPTIONS["guidance"], value, len(runs)), strict=True):
        if run.done:
            continue
        on = applies(denoiser, scale)
        if on and not run.paired and how_guided(denoiser) == "cfg":
            raise UsageError(
                f"guidance is changed to {scale:g} in a run that began without guidance, whose negative prompt was not "
                "encoded; expected 1 or less.",
                remedy="Begin with a guidance above 1.",
            )
        ahead = slice(run.row, None)
        if run.guided[: run.row].any() and not (run.within & on)[ahead].all():
            check_both(denoiser, len(runs), "A change of guidance", "without guidance and", "with it")
        run.guidance = scale
        run.guided[ahead] = (run.within & on)[ahead]
        run.shallow = shallow_rows(run.table, run.every, run.guided)


def _change_latents(latents: object, stepper: Stepper, runs: Sequence[Run]) -> None:
    if latents is None:
        return
    shape = (len(runs), *runs[0].state.x.shape)
    if not isinstance(latents, np.ndarray) or latents.shape != shape or not np.issubdtype(latents.dtype, np.floating):
        raise UsageError(
            f"The changed latents are {shown(latents)}; expected an array of floating-point numbers {list(shape)}.",
            remedy="progress.latents() makes one.",
        )
    with np.errstate(over="ignore"):
        own = latents.astype(stepper.dtype)
    if not np.isfinite(own).all():
        raise UsageError(f"The changed latents hold values that are not finite in {stepper.dtype}; expected numbers.")
    stepper.write(runs, own)
