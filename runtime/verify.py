"""Engines on their probes: does every engine compute what its reference computed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from latentlink.engine.agreement import Agreement
from latentlink.engine.bundle import Bundle
from latentlink.engine.fingerprint import preflight
from latentlink.engine.manifest import ComponentEntry, EngineEntry
from latentlink.engine.probes import Arrays, Probes, Run
from latentlink.errors import BundleError, LinkError, UsageError
from latentlink.runtime.candidate import Candidate, judge
from latentlink.runtime.link import Engine, as_declared
from latentlink.runtime.prompts import Prompts
from latentlink.runtime.sessions import Session, open_session

REMEDY = "Get the bundle again, or build it again: latentlink build EXPORTED BUNDLE."


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of one engine's probes.

    Args:
        component: `vae_decoder`, ...
        target: What the engine is for.
        precision: What it computes in.
        agreement: With its reference, or None where it was not run.
        reason: Why it was not run, or failed; empty where it passed.
    """

    component: str
    target: str
    precision: str
    agreement: Agreement | None = None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """`passed`, `failed` or `not run`."""
        if self.agreement is None:
            return "not run"
        return "failed" if self.reason else "passed"


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
        BundleError: An engine cannot be opened, or has other ports than the manifest says.
    """
    if bundle.manifest.kind != "bundle":
        raise UsageError(
            f"{str(bundle.root)!r} is an export, not a bundle; its graphs were compared with torch when it was made.",
            remedy=f"Build it, which runs the probes: latentlink build {bundle.root} BUNDLE.",
        )
    for component, entry in bundle.manifest.components.items():
        for engine in entry.engines:
            head = Checked(component=component, target=engine.target, precision=engine.precision)
            if on_engine:
                on_engine(f"{component} for {engine.target}")
            if (finding := preflight(engine)) is not None:
                yield _with(head, None, str(finding))
            elif component not in bundle.manifest.probes:
                yield _with(head, None, "the bundle has no probes of it")
            else:
                yield _checked(head, bundle, entry, engine, quick, threads)


def _checked(
    head: Checked, bundle: Bundle, entry: ComponentEntry, engine: EngineEntry, quick: bool, threads: int | None
) -> Checked:
    """Open an engine and run it."""
    session = open_session(bundle.file(engine.path), engine.target, threads=threads)
    try:
        as_declared(
            Engine(
                component=head.component,
                bundle=str(bundle.root),
                session=session,
                declared=(entry.inputs, entry.outputs),
                limits=engine.limits,
            )
        )
        probes = load_probes(bundle, head.component, session)
        found = probes.check(runner(session), engine.precision, quick=quick)
    finally:
        session.close()
    return _with(head, found, _tokens_differ(bundle, entry, probes) or found.said())


def _with(head: Checked, agreement: Agreement | None, reason: str) -> Checked:
    return Checked(
        component=head.component, target=head.target, precision=head.precision, agreement=agreement, reason=reason
    )


def verify_quick(engine: Engine, bundle: Bundle, precision: str) -> None:
    """Run one probe of an engine that was opened to be used.

    Raises:
        BundleError: It does not agree with it.
    """
    if engine.component not in bundle.manifest.probes:
        return
    probes = load_probes(bundle, engine.component, engine.session)
    found = probes.check(runner(engine.session), precision, quick=True)
    if not found.passed:
        raise BundleError(
            f"{engine.title} does not compute what its probe says: {found.said()}.",
            remedy=REMEDY,
        )


def check_candidate(engine: Engine, precision: str, host: Bundle, host_name: str) -> Candidate:
    """Let a component from another bundle show that it reads, or writes, what the denoiser's own does.

    Args:
        engine: The component, which links by its symbols.
        precision: What it computes in.
        host: The bundle that the denoiser is from.
        host_name: As the user gave it.

    Raises:
        LinkError: It does not, or there is nothing to show it on.
    """
    if engine.component not in host.manifest.probes:
        raise LinkError(
            f"{engine.title} has the right symbols, but {host_name} has no probes of its {engine.component} to check "
            "it by.",
            remedy="Export and build it again, or link by the symbols alone: --no-verify (verify=False).",
        )
    probes = load_probes(host, engine.component, engine.session)
    found = judge(probes, runner(engine.session), engine.session.inputs, engine.session.outputs, precision)
    if not found.accepted:
        raise LinkError(
            f"{engine.title} has the symbols of {host_name}, but does not compute what they say: on the probes of "
            f"{host_name}'s {engine.component} {found.said()}.",
            remedy=f"Use {host_name}'s own {engine.component}, or one that was trained for its latent space.",
        )
    return found


def load_probes(bundle: Bundle, component: str, session: Session) -> Probes:
    """A bundle's probes of a component, for an engine with these ports.

    Raises:
        BundleError: The file is damaged, or for other ports.
    """
    return Probes.load(bundle.file(bundle.manifest.probes[component]), session.inputs, session.outputs)


def runner(session: Session) -> Run:
    """Runs a session on arrays of the host."""

    def run(inputs: Arrays) -> Arrays:
        given = {tensor: session.upload(array) for tensor, array in inputs.items()}
        done = session.run(given, {port.tensor: None for port in session.outputs})
        return {tensor: buffer.numpy() for tensor, buffer in done.items()}

    return run


def _tokens_differ(bundle: Bundle, entry: ComponentEntry, probes: Probes) -> str:
    """Where the tokenizer makes other ids of a golden prompt than those that the encoder was shown."""
    if entry.tokenizer is None:
        return ""
    prompts = Prompts(bundle.file(entry.tokenizer.path), entry.tokenizer)
    for probe in probes.probes:
        if probe.prompt is None:
            continue
        try:
            ids = prompts.tokens([probe.prompt], prompts.pieces([probe.prompt])).ids[0, 0]
        except UsageError:  # longer than it reads: the probe holds what fits
            continue
        if not np.array_equal(ids, probe.inputs[entry.inputs[0].tensor][0]):
            return f"the tokenizer makes other ids of {probe.prompt!r} than the reference's"
    return ""
