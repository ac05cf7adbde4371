"""The choice of a component's engine: the first one of the requested target that is valid on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from latentlink.engine.bundle import EngineEntry
from latentlink.engine.quality import Quality
from latentlink.engine.targets import Finding, preflight
from latentlink.engine.targets.fingerprint import DAMAGED
from latentlink.errors import BundleError, LatentLinkError, PreflightError
from latentlink.runtime.linking.decisions import Skipped
from latentlink.runtime.linking.source import ComponentSource


def choose(
    source: ComponentSource, target: str, refusals: Mapping[tuple[str, str], LatentLinkError] | None = None
) -> tuple[EngineEntry, tuple[Skipped, ...]]:
    """Choose a component's engine, without opening any.

    Args:
        source: The component, whose bundle lists the preferred engine first.
        target: The only target to use, or `auto`.
        refusals: By target and path, engines that were tried and why they did not open.

    Returns:
        The engine, and those that were skipped before it.

    Raises:
        PreflightError: None is valid here, or the bundle has none for that target.
        BundleError: An engine's fingerprint was edited.
    """
    skipped: list[Skipped] = []
    engines = source.entry.engines
    for engine in engines:
        if target not in ("auto", engine.target):
            continue
        reason = _reason(source, engine, (refusals or {}).get((engine.target, engine.path)))
        if reason is None:
            return engine, tuple(skipped)
        skipped.append(reason)
    if not skipped:
        raise PreflightError(
            f"{source.name} has no {target} engine of {source.component}; it has "
            f"{', '.join(engine.target for engine in engines)}.",
            remedy=f"Use one of these, or build it: latentlink build EXPORTED BUNDLE --target {target}.",
        )
    reasons = "; ".join(f"{one.target}: {one}" for one in skipped)
    raise PreflightError(f"No engine of {source} can run here. {reasons}.", remedy=skipped[0].remedy)


def _reason(source: ComponentSource, engine: EngineEntry, refusal: LatentLinkError | None) -> Skipped | None:
    """Why an engine is skipped; None if it can be used.

    Raises:
        BundleError: Its fingerprint was edited.
    """
    if refusal is not None:
        return _skip(source, engine, "refused", found=refusal.message.rstrip("."), remedy=refusal.remedy)
    quality = Quality.of_parity(engine.parity)
    if quality is not None and (missed := quality.shortfall_summary()):
        remedy = "Build it in another precision, or again, to measure it anew."
        return _skip(source, engine, "below-gate", found=missed, remedy=remedy)
    finding: Finding | None = preflight(engine)
    if finding is None:
        return None
    if finding.code == DAMAGED:
        raise BundleError(
            f"The fingerprint of the {engine.target} engine of {source} was edited: it no longer agrees with its own "
            "digest.",
            remedy=finding.remedy,
        )
    return _skip(source, engine, finding.code, needed=finding.needed, found=finding.found, remedy=finding.remedy)


def _skip(
    source: ComponentSource, engine: EngineEntry, code: str, *, found: str, remedy: str, needed: str = ""
) -> Skipped:
    return Skipped(
        component=source.component,
        target=engine.target,
        precision=engine.precision,
        code=code,
        needed=needed,
        found=found,
        remedy=remedy,
    )
