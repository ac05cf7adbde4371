"""The step cache: steps that reuse an earlier output of the denoiser's deep layers, instead of running them again.

Ma et al. 2024 (DeepCache: Accelerating Diffusion Models for Free), uniform: the whole denoiser runs on every n-th step,
the shallow one on the steps between (`run.shallow_rows`).
"""

from __future__ import annotations

from dataclasses import dataclass

from latentlink.engine.bundle import Sampling
from latentlink.errors import UsageError
from latentlink.runtime.linking import Linked
from latentlink.runtime.request import Request


def check_step_cache(linked: Linked, request: Request, *, sampling: Sampling, name: str) -> None:
    """Refuse a step cache that cannot run or is known to spoil pictures.

    Args:
        linked: The engines.
        request: The resolved request.
        sampling: The bundle's sampling data, with the measured quality of step caches.
        name: Name of the bundle, for messages.

    Raises:
        UsageError: There is no shallow engine, or the measured quality of its pictures is below the gate.
    """
    every, measured = request.step_cache, sampling.step_cache
    if every == 1:
        return
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
