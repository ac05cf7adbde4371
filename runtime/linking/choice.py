"""Which of a component's engines is taken: the first that was asked for and is valid on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latentlink.engine.bundle import Bundle, EngineEntry
from latentlink.engine.quality import Quality
from latentlink.engine.targets import preflight
from latentlink.engine.targets.fingerprint import DAMAGED
from latentlink.errors import BundleError, LatentLinkError, PreflightError

PASSED = " passed over, "
"""Stands in the notes between an engine's target and why it cannot run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An engine that was passed over.

    Args:
        target: What it is for.
        reason: Why it cannot run here.
        remedy: What to do.
    """

    target: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The engine that was taken for a component.

    Args:
        component: `denoiser`, ...
        engine: What the manifest says of it.
        passed: The engines before it.
    """

    component: str
    engine: EngineEntry
    passed: tuple[Passed, ...]

    def notes(self) -> list[str]:
        """What was taken and what was passed over, for people."""
        return [
            *(f"{self.component}: {one.target}{PASSED}{one.reason}" for one in self.passed),
            f"{self.component}: {self.engine.target} ({self.engine.precision})",
        ]


def choose(
    component: str,
    title: str,
    source: Bundle,
    target: str,
    refused: Mapping[tuple[str, str], LatentLinkError] | None = None,
) -> Choice:
    """Choose a component's engine; nothing is opened for it.

    Args:
        component: One that the bundle has.
        title: Name of the bundle, for messages.
        source: The bundle, whose manifest lists the preferred engine first.
        target: The only one to take, or `auto`.
        refused: By target and path, engines that were tried and why they did not open.

    Raises:
        PreflightError: None is valid here, or the bundle has none for that target.
        BundleError: An engine's fingerprint was edited.
    """
    passed: list[Passed] = []
    refused = refused or {}
    engines = source.manifest.components[component].engines
    for engine in engines:
        if target not in ("auto", engine.target):
            continue
        if (error := refused.get((engine.target, engine.path))) is not None:
            passed.append(Passed(target=engine.target, reason=error.message.rstrip("."), remedy=error.remedy))
            continue
        quality = Quality.of_parity(engine.parity)
        if quality is not None and (missed := quality.missed()):
            reason = f"its pictures are below the gate: {missed}"
            passed.append(
                Passed(
                    target=engine.target,
                    reason=reason,
                    remedy="Build it in another precision, or again, to measure it anew.",
                )
            )
            continue
        finding = preflight(engine)
        if finding is None:
            return Choice(component=component, engine=engine, passed=tuple(passed))
        if finding.code == DAMAGED:
            raise BundleError(
                f"The fingerprint of the {engine.target} engine of {component} of {title} was edited: it no longer "
                "agrees with its own digest.",
                remedy=finding.remedy,
            )
        passed.append(Passed(target=engine.target, reason=finding.reason(), remedy=finding.remedy))
    if not passed:
        raise PreflightError(
            f"{title} has no {target} engine of {component}; it has {', '.join(engine.target for engine in engines)}.",
            remedy=f"Take one of these, or build it: latentlink build EXPORTED BUNDLE --target {target}.",
        )
    reasons = "; ".join(f"{one.target}: {one.reason}" for one in passed)
    raise PreflightError(f"No engine of {component} of {title} can run here. {reasons}.", remedy=passed[0].remedy)


def ran(notes: Sequence[str]) -> list[str]:
    """Of a pipeline's notes, those that are not of engines that were passed over."""
    return [note for note in notes if PASSED not in note]


def passed_over(notes: Sequence[str]) -> list[str]:
    """Of a pipeline's notes, those that say that engines were passed over, one for all components of one reason."""
    reasons: dict[str, list[str]] = {}
    for note in notes:
        component, _, reason = note.partition(": ")
        if PASSED in reason:
            reasons.setdefault(reason, []).append(component)
    return [f"{', '.join(components)}: {reason}" for reason, components in reasons.items()]
