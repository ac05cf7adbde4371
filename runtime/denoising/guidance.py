"""The part of a run to which classifier-free guidance is applied: all of it, or an interval of noise levels.

Kynkäänniemi et al. 2024 (Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion
Models): guidance hurts at high noise levels and changes nothing at low ones. Outside of the interval a step runs only
on the prompts' rows, so that it costs half.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.runtime.linking import Engine
from latentlink.runtime.request import Request
from latentlink.runtime.samplers import SamplerTable

Guided: TypeAlias = NDArray[np.bool_]
"""`[R]`: for every row of a table, whether the network runs on both halves, the unconditional and the conditional."""


def applies(denoiser: Engine, guidance: float) -> bool:
    """Whether classifier-free guidance is on at this scale: the denoiser has it, and the scale is above 1."""
    return guidance > 1 and how_guided(denoiser) == "cfg"


def how_guided(denoiser: Engine) -> str | None:
    """How the denoiser is guided, by its port: `cfg`, `embedded`, or None."""
    return next((port.name for port in denoiser.session.inputs if port.kind == "guidance"), None)


def rows_within(request: Request, table: SamplerTable) -> Guided:
    """The rows to which guidance is applied if it is on: those whose sigma is above the interval's low end, and at most
    its high end.
    """
    if request.guidance_interval is None:
        return np.full(len(table.rows), True)
    low, high = request.guidance_interval
    within: Guided = (low < table.sigmas) & (table.sigmas <= high)
    return within


def guided_rows(denoiser: Engine, request: Request, table: SamplerTable) -> Guided:
    """The guided rows of a run.

    Args:
        denoiser: The denoiser, whose guidance port says how it is guided.
        request: The resolved request.
        table: The sampler's rows.

    Raises:
        UsageError: An interval was requested but there is no unconditional half to leave out, no row is within it, or
            the engine was not built for both numbers of rows.
    """
    on = applies(denoiser, request.guidance)
    within = rows_within(request, table)
    if request.guidance_interval is None:
        return within & on
    if not on:
        raise _nothing_to_leave_out(denoiser, request, how_guided(denoiser))
    if not within.any():
        low, high = request.guidance_interval
        raise UsageError(
            f"guidance_interval {low:g} to {high:g} holds none of this run's noise levels: its calls are at sigma "
            f"{_list_sigmas(table.sigmas)}.",
            remedy="Use a wider interval, or guidance 1 to turn guidance off.",
        )
    if not within.all():
        check_both(denoiser, request.count, "guidance_interval", "outside of the interval and", "inside")
    return within


def _nothing_to_leave_out(denoiser: Engine, request: Request, how: str | None) -> UsageError:
    if how == "cfg":
        why = f"guidance {request.guidance:g} turns guidance off"
    elif how is None:
        why = f"{denoiser.title} is not guided"
    else:
        why = f"guidance was distilled into {denoiser.title}, which has no unconditional half to leave out"
    return UsageError(
        f"guidance_interval says where classifier-free guidance is applied, but {why}.",
        remedy="Leave guidance_interval out." if how != "cfg" else "Leave it out, or use a guidance above 1.",
    )


def check_both(denoiser: Engine, batch: int, what: str, off: str, on: str) -> None:
    """Refuse an engine that accepts only one of the two numbers of rows.

    Args:
        denoiser: The denoiser.
        batch: Pictures in the batch.
        what: What needs both, for the message.
        off: Where the rows run without guidance, for the message, with what joins it to `on`.
        on: Where they run with guidance.

    Raises:
        UsageError: It accepts only one of them.
    """
    for port in denoiser.session.inputs:
        if port.kind not in ("text", "condition"):
            continue
        rows = port.shape[0]
        low, _, high = (rows, rows, rows) if isinstance(rows, int) else denoiser.limits.get(rows, (1, 1, 2 * batch))
        if not low <= batch <= 2 * batch <= high:
            raise UsageError(
                f"{what} needs {batch} rows of text {off} {2 * batch} {on}, but "
                f"{denoiser.title} was built for {low if low == high else f'{low} to {high}'}.",
                remedy="Leave it out, or build the bundle again, which makes engines for both: latentlink build.",
            )


def _list_sigmas(sigmas: NDArray[np.float64]) -> str:
    shown = [f"{sigma:.3g}" for sigma in sigmas]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:4], "..", *shown[-3:]])
