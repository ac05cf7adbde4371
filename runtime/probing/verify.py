"""Engines on their probes: does every engine compute what its reference computed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle.bundle import Bundle
from latentlink.engine.bundle.manifest import ComponentEntry, EngineEntry
from latentlink.engine.bundle.probes import Arrays, Probe, Probes, Run
from latentlink.engine.quality.agreement import Agreement
from latentlink.engine.targets.fingerprint import preflight
from latentlink.errors import BundleError, LatentLinkError, LinkError, PreflightError, UsageError
from latentlink.runtime.linking.link import Engine, as_declared
from latentlink.runtime.probing.candidate import Candidate, judge
from latentlink.runtime.sessions import Session, open_session
from latentlink.runtime.text.prompts import Prompts

REMEDY = "Get the bundle again, or build it again: latentlink build EXPORTED BUNDLE."

FITTED = 2
"""Probes that are made for a component whose sizes none of the host's fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of one engine's probes.

    Args:
        component: `vae_decoder`, ...
        target: What the engine is for.
        precision: What it computes in.
        verdict: `passed`, `failed`, `not run` (it is for another machine) or `no probes`.
        agreement: With its reference, or None where it did not run.
        reason: Why it did not pass; empty where it did.
    """

    component: str
    target: str
    precision: str
    verdict: str
    agreement: Agreement | None = None
    reason: str = ""


def verify(
    bundle: Bundle, *, quick: bool = False, threads: int | None = None, on_engine: Callable[[str], None] | None = None
) -> Iterator[Checked]:
    """Run every engine of a bundle that is valid on this machine on its probes, one after the other.

    Args:
        bundle: Opened, so that its files are the ones that were written.
        quick: Whether one probe an engine is enough.
        threads: Threads for a run; None takes the processors this process may use.
        on_engine: Called with a title before each engine.

    Raises:
        UsageError: It is an export.
    """
    if bundle.manifest.kind != "bundle":
        raise UsageError(
            f"{str(bundle.root)!r} is an export, not a bundle; its graphs were compared with torch when it was made.",
            remedy=f"Build it, which runs the probes: latentlink build {bundle.root} BUNDLE.",
        )
    for component, entry in bundle.manifest.components.items():
        for engine in entry.engines:
            if on_engine:
                on_engine(f"{component} for {engine.target}")
            yield _checked(bundle, component, entry, engine, quick, threads)


def _checked(
    bundle: Bundle, component: str, entry: ComponentEntry, engine: EngineEntry, quick: bool, threads: int | None
) -> Checked:
    """Open an engine and run it."""
    head = Checked(component=component, target=engine.target, precision=engine.precision, verdict="not run")
    if (finding := preflight(engine)) is not None:
        return replace(head, reason=str(finding))
    if component not in bundle.manifest.probes:
        return replace(head, verdict="no probes", reason="the bundle has no probes of it")
    try:
        probes = load_probes(bundle, component, entry).within(engine.limits, entry.inputs)
        if probes is None:
            return replace(head, verdict="no probes", reason="the bundle has none of the sizes it was built for")
        session = open_session(bundle.file(engine.path), engine.target, threads=threads)
        try:
            declared = (entry.inputs, entry.outputs)
            title = str(bundle.root)
            as_declared(
                Engine(component=component, bundle=title, session=session, declared=declared, limits=engine.limits)
            )
            found = probes.check(runner(session), engine.precision, quick=quick)
        finally:
            session.close()
        reason = _tokens_differ(bundle, entry, probes) or found.said()
    except PreflightError as error:
        return replace(head, reason=str(error))
    except LatentLinkError as error:
        return replace(head, verdict="failed", reason=error.message)
    return replace(head, verdict="failed" if reason else "passed", agreement=found, reason=reason)


def verify_quick(engine: Engine, bundle: Bundle, precision: str) -> None:
    """Run one probe of an engine that was opened to be used.

    Raises:
        BundleError: It does not agree with it, its tokenizer makes other ids, or there is no probe.
    """
    if engine.component not in bundle.manifest.probes:
        raise BundleError(f"{engine.bundle} has no probes of its {engine.component} to verify it by.", remedy=REMEDY)
    entry = bundle.manifest.components[engine.component]
    probes = load_probes(bundle, engine.component, entry).within(engine.limits, entry.inputs)
    if probes is None:
        raise BundleError(
            f"{engine.bundle} has no probes of the sizes that {engine.title} was built for.", remedy=REMEDY
        )
    found = probes.check(runner(engine.session), precision, quick=True)
    if reason := (found.said() or _tokens_differ(bundle, entry, probes)):
        raise BundleError(f"{engine.title} does not compute what its probe says: {reason}.", remedy=REMEDY)


def check_candidate(engine: Engine, donor: Bundle, host: Bundle, host_name: str, own: Run) -> Candidate:
    """Let a component from another bundle show that it reads, or writes, what the denoiser's own does.

    Args:
        engine: The component, which links by its symbols.
        donor: Its bundle, whose tokenizer goes with it.
        host: The bundle that the denoiser is from.
        host_name: As the user gave it.
        own: Runs the host's own component, for sizes that none of its probes has.

    Raises:
        LinkError: It does not, or there is nothing to show it on.
    """
    component = engine.component
    if component not in host.manifest.probes:
        raise LinkError(
            f"{engine.title} has the right symbols, but {host_name} has no probes of its {component} to check it by.",
            remedy="Export and build it again, or link by the symbols alone: --no-verify (verify=False).",
        )
    entry = donor.manifest.components[component]
    probes = load_probes(host, component, host.manifest.components.get(component, entry))
    if entry.tokenizer is not None:
        probes = replace(probes, probes=tuple(_retokenised(probe, donor, entry) for probe in probes.probes))
    else:
        probes = probes.fitted(engine.limits, entry.inputs, own, FITTED)
    try:
        found = judge(probes, runner(engine.session), entry.inputs, entry.outputs)
        reason = "" if found.accepted else found.said()
    except BundleError as error:
        raise LinkError(
            f"{engine.title} cannot be run on the probes of {host_name}'s {component}: {error.message}"
        ) from None
    if reason:
        raise LinkError(
            f"{engine.title} has the symbols of {host_name}, but does not compute what they say: on the probes of "
            f"{host_name}'s {component} {reason}.",
            remedy=f"Use {host_name}'s own {component}, or one that was trained for it.",
        )
    return found


def load_probes(bundle: Bundle, component: str, entry: ComponentEntry) -> Probes:
    """A bundle's probes of a component with these ports.

    Raises:
        BundleError: The file is damaged, or for other ports.
    """
    return Probes.load(bundle.file(bundle.manifest.probes[component]), entry.inputs, entry.outputs)


def runner(session: Session) -> Run:
    """Runs a session on arrays of the host."""

    def run(inputs: Arrays) -> Arrays:
        given = {tensor: session.upload(array) for tensor, array in inputs.items()}
        done = session.run(given, {port.tensor: None for port in session.outputs})
        return {tensor: buffer.numpy() for tensor, buffer in done.items()}

    return run


def _retokenised(probe: Probe, donor: Bundle, entry: ComponentEntry) -> Probe:
    """The probe with the token ids that the donor's own tokenizer makes of its prompt."""
    ids = None if probe.prompt is None else _ids(donor, entry, probe.prompt)
    given = next(iter(probe.inputs.values())) if ids is None else ids[None]
    return replace(probe, inputs={entry.inputs[0].tensor: given})


def _tokens_differ(bundle: Bundle, entry: ComponentEntry, probes: Probes) -> str:
    """Where the tokenizer makes other ids of a golden prompt than those that the encoder was shown."""
    if entry.tokenizer is None:
        return ""
    for probe in probes.probes:
        ids = None if probe.prompt is None else _ids(bundle, entry, probe.prompt)
        if ids is not None and not np.array_equal(ids, probe.inputs[entry.inputs[0].tensor][0]):
            return f"the tokenizer makes other ids of {probe.prompt!r} than the reference's"
    return ""


def _ids(bundle: Bundle, entry: ComponentEntry, prompt: str) -> NDArray[np.int32] | None:
    """Ids of a prompt's first piece, or None where it is longer than the encoder reads: the probe holds what fits."""
    if entry.tokenizer is None:
        return None
    prompts = Prompts(bundle.file(entry.tokenizer.path), entry.tokenizer)
    try:
        ids: NDArray[np.int32] = prompts.tokens([prompt], prompts.pieces([prompt])).ids[0, 0]
    except UsageError:
        return None
    return ids


@contextmanager
def opener(path: Path, target: str) -> Iterator[Run]:
    """Opens an engine that is not in a bundle yet, for its builder to run."""
    session = open_session(path, target)
    try:
        yield runner(session)
    finally:
        session.close()
