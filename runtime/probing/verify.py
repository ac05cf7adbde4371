"""Engines on their probes: does every engine compute the same as its reference?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from latentlink.checks import callback, check_threads, instance, truth
from latentlink.engine.bundle import Bundle, ComponentEntry, EngineEntry, RunEngine
from latentlink.engine.quality import Agreement
from latentlink.engine.targets import preflight
from latentlink.errors import LatentLinkError, PreflightError, UsageError
from latentlink.runtime.linking import Engine, Proof
from latentlink.runtime.linking.link import as_declared
from latentlink.runtime.probing.earlier import EarlierProofs
from latentlink.runtime.probing.running import load_probes, runner, tokens_differ, training_differs
from latentlink.runtime.sessions import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCheck:
    """Result of one engine's probes.

    Args:
        component: `vae_decoder`, ...
        target: The engine's target.
        precision: The precision that it computes in.
        verdict: `passed`, `failed`, `not run` (it is for another machine) or `no probes`.
        agreement: Agreement with its reference; None if it did not run.
        probes: Number of probes that it ran on.
        reason: Why it did not pass; empty if it did.
    """

    component: str
    target: str
    precision: str
    verdict: str
    agreement: Agreement | None = None
    probes: int = 0
    reason: str = ""

    def proof(self) -> Proof | None:
        """The proof that it passed all its probes; None if it did not."""
        if self.verdict != "passed" or self.agreement is None:
            return None
        return Proof(probes=self.probes, psnr=self.agreement.psnr, worst=self.agreement.worst)


def verify(
    bundle: Bundle, *, quick: bool = False, threads: int | None = None, on_engine: Callable[[str], None] | None = None
) -> Iterator[EngineCheck]:
    """Run every engine of a bundle that is valid on this machine on its probes, one after the other.

    An engine that passes all of them has proved itself for later loads, see `EarlierProofs`.

    Args:
        bundle: An open bundle; opening it has checked its files.
        quick: Whether one probe per engine is enough.
        threads: Threads for a run; None uses all processors that this process may use (affinity and quota).
        on_engine: Called with a title before each engine.

    Raises:
        UsageError: It is an export, or an argument is not of its type.
    """
    instance("bundle", bundle, Bundle, "Bundle.open opens one.")
    quick = truth("quick", quick)
    if threads is not None:
        threads = check_threads(threads)
    callback("on_engine", on_engine)
    if bundle.manifest.kind != "bundle":
        raise UsageError(
            f"{str(bundle.root)!r} is an export, not a bundle; its graphs were compared with torch when it was made.",
            remedy=f"Build it, which runs the probes: latentlink build {bundle.root} BUNDLE.",
        )
    for component, entry in bundle.manifest.components.items():
        for engine in entry.engines:
            if on_engine:
                on_engine(f"{component} for {engine.target}")
            yield _check_closed(bundle, component, entry, engine, quick, threads)


def _check_closed(
    bundle: Bundle, component: str, entry: ComponentEntry, engine: EngineEntry, quick: bool, threads: int | None
) -> EngineCheck:
    """Open an engine, and run its probes."""
    head = EngineCheck(component=component, target=engine.target, precision=engine.precision, verdict="not run")
    if (finding := preflight(engine)) is not None:
        return replace(head, reason=str(finding))
    try:
        session = open_session(bundle.file(engine.path), engine.target, threads=threads)
        try:
            opened = Engine(
                component=component,
                bundle=str(bundle.root),
                session=session,
                declared=(entry.inputs, entry.outputs),
                limits=engine.limits,
            )
            as_declared(opened)
            entry.check_fingerprints()
            found = check_engine(opened, bundle, engine, quick=quick)
            subject = EarlierProofs.subject([bundle], component, engine)
            if subject and not quick and (proof := found.proof()):
                EarlierProofs().keep(proof, subject)
            return found
        finally:
            session.close()
    except PreflightError as error:
        return replace(head, reason=str(error))
    except LatentLinkError as error:
        return replace(head, verdict="failed", reason=error.message)


def check_engine(engine: Engine, bundle: Bundle, record: EngineEntry, *, quick: bool = False) -> EngineCheck:
    """Run an open engine on the probes of its own bundle.

    Args:
        engine: The engine, whose ports are the declared ones.
        bundle: Its bundle.
        record: Its entry in the manifest.
        quick: Whether one probe is enough.

    Returns:
        The verdict: `passed`, `failed` or `no probes`.

    Raises:
        BundleError: The file of probes is damaged, or for other ports; the engine fails.
        PreflightError: This machine has not enough memory for the probes.
    """
    component = engine.component
    head = EngineCheck(component=component, target=record.target, precision=record.precision, verdict="no probes")
    if component not in bundle.manifest.probes:
        return replace(head, reason="the bundle has no probes of it")
    entry = bundle.manifest.components[component]
    probes = load_probes(bundle, component, entry).within(record.limits, entry.inputs)
    if probes is None:
        return replace(head, reason="the bundle has none of the sizes it was built for")
    try:
        found = probes.check(runner(engine.session), record.precision, quick=quick)
    except MemoryError:
        raise PreflightError(
            f"{engine.title} needs more memory than this machine has, even for the golden inputs of its own bundle.",
            remedy="Run it on a machine with more memory.",
        ) from None
    reason = found.summary() or tokens_differ(bundle, entry, probes) or training_differs(bundle, probes)
    verdict = "failed" if reason else "passed"
    return replace(head, verdict=verdict, agreement=found, probes=1 if quick else len(probes.probes), reason=reason)


@contextmanager
def opener(path: Path, target: str) -> Iterator[RunEngine]:
    """Open an engine that is not in a bundle yet, for its builder to run."""
    session = open_session(path, target)
    try:
        yield runner(session)
    finally:
        session.close()
