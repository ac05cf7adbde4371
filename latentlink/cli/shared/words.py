"""What was decided and mended, in sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentlink.runtime import Decision, Result
    from latentlink.runtime.request import Request


def running(decisions: Sequence[Decision]) -> list[str]:
    """Which engine runs each component: `denoiser: ort-cpu (float32)`."""
    return [
        f"{one.component}: {one.target} ({one.precision}){_placement(one)}"
        for one in decisions
        if one.target is not None and one.purpose == "run"
    ]


def skipped(decisions: Sequence[Decision]) -> list[str]:
    """Which engines were skipped and why, in one line for all components with the same reason."""
    reasons: dict[str, list[str]] = {}
    for one in decisions:
        for engine in one.skipped:
            reasons.setdefault(f"{engine.target} skipped: {engine}", []).append(f"{engine.component}{_purpose(one)}")
    return [f"{', '.join(components)}: {reason}" for reason, components in reasons.items()]


def admissions(decisions: Sequence[Decision]) -> list[str]:
    """Results of the probes of components from other bundles."""
    lines = []
    for one in decisions:
        if (found := one.admission) is None:
            continue
        how = "the same output as" if found.same else f"a signal-to-noise ratio of {found.snr:.1f} dB against"
        title = f"{one.component} from {one.bundle}{_purpose(one)}"
        lines.append(f"{title}: accepted; on the probes of {found.host} it has {how} {found.host}'s own")
    return lines


def notices(result: Result) -> list[str]:
    """What a user should know of a result: what was mended, and a step cache that was not measured."""
    lines = []
    for one in result.mended:
        what = f"picture {one.number} of {one.count}" if one.component == "vae_decoder" else "the latent"
        verb = "decoded" if one.component == "vae_decoder" else "encoded"
        lines.append(f"{one.component}: {what} {one.fault.found}; it was {verb} again by the wider engine")
    if (cache := result.unmeasured_cache) is not None:
        if cache.measured_steps is None:
            known = "its effect on this model's pictures was not measured"
        else:
            known = f"its effect was measured with {cache.measured_steps} steps, and is larger with fewer"
        lines.append(f"step_cache {cache.every}: {known}")
    return lines


def settings(request: Request) -> str:
    """The settings of a picture that a reader looks for first: `dpmpp_2m karras, 20 steps, guidance 7.5, 512x512`."""
    how = " ".join(filter(None, (request.sampler, request.sigmas, request.spacing)))
    more = "" if request.eta is None else f", eta {request.eta:g}"
    return f"{how}{more}, {request.steps} steps, guidance {request.guidance:g}, {request.width}x{request.height}"


def _purpose(decision: Decision) -> str:
    return " for previews" if decision.purpose == "preview" else ""


def _placement(decision: Decision) -> str:
    """The providers that run the nodes of a GPU engine: nodes on the CPU are slow, and must not go unnoticed."""
    return "".join(
        f", {count} nodes on {name}" if number == 0 else f", {count} on {name}"
        for number, (name, count) in enumerate(decision.placement.items())
    )
