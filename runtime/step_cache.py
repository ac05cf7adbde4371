"""Which steps read again what the denoiser's deep layers made before, instead of making it anew.

Ma et al. 2024 (DeepCache: Accelerating Diffusion Models for Free), uniform: the whole denoiser on every n-th step, the
shallow one on those between.
"""

from __future__ import annotations

from latentlink.engine.manifest import Sampling
from latentlink.errors import UsageError
from latentlink.runtime.denoise import Reuse
from latentlink.runtime.guidance import Guided
from latentlink.runtime.link import Linked
from latentlink.runtime.request import Request
from latentlink.runtime.samplers import SamplerTable


def default_every(linked: Linked, sampling: Sampling) -> int:
    """n where the user says nothing: what was measured to be free, or 1, which makes all anew."""
    measured = sampling.step_cache
    return measured.every if measured is not None and linked.shallow is not None and measured.quality.free else 1


def reuse_of(
    linked: Linked, request: Request, table: SamplerTable, guided: Guided, *, sampling: Sampling, name: str
) -> Reuse | None:
    """The rows that run the shallow engine; None for none.

    The whole denoiser runs on the first row, on every n-th step, and where the number of predictions changes, as the
    feature has a row for each.

    Args:
        linked: The engines.
        request: What is asked; n is its `step_cache`.
        table: The sampler's rows.
        guided: Which rows are guided.
        sampling: What was measured of the bundle.
        name: Of the bundle, for messages.

    Raises:
        UsageError: There is no shallow engine, or its pictures were measured and are below the gate.
    """
    every, measured = request.step_cache, sampling.step_cache
    if every == 1:
        return None
    if linked.shallow is None:
        raise UsageError(
            f"step_cache {every} runs a shallow denoiser between whole ones, but {name} has none that runs here.",
            remedy="Leave it out, or export the checkpoint with --step-cache 1 and build it again.",
        )
    if measured is not None and measured.every == every and (missed := measured.quality.missed()):
        raise UsageError(
            f"The pictures of {name} with step_cache {every} were measured and are below the gate: {missed}.",
            remedy="Leave it out, or take a smaller one.",
        )
    rows = (table.step - table.step[0]) % every != 0
    whole = 0
    for row in range(len(rows)):
        if not rows[row] or guided[row] != guided[whole]:
            rows[row], whole = False, row
    return Reuse(session=linked.shallow.session, rows=rows) if rows.any() else None


def told(request: Request, sampling: Sampling) -> list[str]:
    """What a user should know of the step cache of a run: that nobody measured what it costs."""
    measured = sampling.step_cache
    if request.step_cache == 1 or (measured is not None and measured.every == request.step_cache):
        return []
    return [f"step_cache {request.step_cache}: what it does to this model's pictures was not measured"]
