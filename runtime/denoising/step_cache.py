"""The step cache: steps that reuse an earlier output of the denoiser's deep layers, instead of running them again.

Ma et al. 2024 (DeepCache: Accelerating Diffusion Models for Free), uniform: the whole denoiser runs on every n-th step,
the shallow one on the steps between.
"""

from __future__ import annotations

from dataclasses import dataclass

from latentlink.engine.bundle import Sampling
from latentlink.errors import UsageError
from latentlink.runtime.denoising.guidance import Guided
from latentlink.runtime.denoising.loop import Reuse
from latentlink.runtime.linking import Linked
from latentlink.runtime.request import Request
from latentlink.runtime.samplers import SamplerTable


def reuse_of(
    linked: Linked, request: Request, table: SamplerTable, guided: Guided, *, sampling: Sampling, name: str
) -> Reuse | None:
    """The rows that run the shallow engine; None if there are none.

    The whole denoiser runs on the first row, on every n-th step, and whenever the number of predictions changes, as the
    feature has one row per prediction.

    Args:
        linked: The engines.
        request: The resolved request; n is its `step_cache`.
        table: The sampler's rows.
        guided: Which rows are guided.
        sampling: The bundle's sampling data, with the measured quality of step caches.
        name: Name of the bundle, for messages.

    Raises:
        UsageError: There is no shallow engine, or the measured quality of its pictures is below the gate.
    """
    every, measured = request.step_cache, sampling.step_cache
    if every == 1:
        return None
    if linked.shallow is None:
        raise UsageError(
            f"step_cache {every} runs a shallow denoiser between whole ones, but {name} has none that runs here.",
            remedy="Leave it out, or export the checkpoint with --step-cache 1 and build it again.",
        )
    known = measured is not None and measured.every == every and request.steps <= measured.steps
    if measured is not None and known and (missed := measured.quality.shortfall_summary()):
        raise UsageError(
            f"The pictures of {name} with step_cache {every} and {measured.steps} steps are below the gate: {missed}.",
            remedy="Leave it out, or use a smaller one, or more steps.",
        )
    rows = (table.step - table.step[0]) % every != 0
    whole = 0
    for row in range(len(rows)):
        if not rows[row] or guided[row] != guided[whole]:
            rows[row], whole = False, row
    return Reuse(session=linked.shallow.session, rows=rows) if rows.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A step cache whose effect on quality was not measured.

    Args:
        every: The step cache.
        measured_steps: Steps of the run that it was measured with, more than this run has; None if this step cache was
            never measured on this model.
    """

    every: int
    measured_steps: int | None


def unmeasured(request: Request, sampling: Sampling) -> Unmeasured | None:
    """The step cache of a run if its effect was not measured; None if it was, or the cache is off."""
    measured, every = sampling.step_cache, request.step_cache
    if every == 1:
        return None
    if measured is None or measured.every != every:
        return Unmeasured(every=every, measured_steps=None)
    if request.steps < measured.steps:
        return Unmeasured(every=every, measured_steps=measured.steps)
    return None
