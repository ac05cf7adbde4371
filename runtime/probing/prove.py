"""The proofs that `load` asks for before anything is drawn: of every engine, and of components from other bundles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TypeVar

from latentlink.engine.bundle import REMEDY, Arrays, Bundle
from latentlink.errors import BundleError, LinkError
from latentlink.runtime.linking import Admission, Decision, OpenedEngine, Opening, Proof, Sources
from latentlink.runtime.probing.candidate import check_candidate
from latentlink.runtime.probing.earlier import EarlierProofs
from latentlink.runtime.probing.running import runner
from latentlink.runtime.probing.verify import check_engine

_LOG = logging.getLogger(__name__)

P = TypeVar("P", Proof, Admission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """Proves the engines of a pipeline.

    Args:
        sources: All components of the pipeline: the denoiser's bundle says what latents mean.
        opening: How engines are opened.
        verify: None: a proof of an earlier load counts. True: only one of now counts. False: none is needed.
        earlier: Proofs of earlier loads.
    """

    sources: Sources
    opening: Opening
    verify: bool | None
    earlier: EarlierProofs = field(default_factory=EarlierProofs)

    def prove_all(self, engines: Sequence[OpenedEngine]) -> list[Decision]:
        """The decisions on all engines, see `prove`; those that replace others are run first."""
        order = sorted(engines, key=lambda opened: not self._replaces(opened))
        decisions = {opened.source.component: self.prove(opened) for opened in order}
        return [decisions[opened.source.component] for opened in engines]

    def prove(self, opened: OpenedEngine) -> Decision:
        """Run the probes of one engine, and return the decision with what they showed.

        Raises:
            BundleError: It does not compute what its bundle's probes say, or has none.
            LinkError: The same where another bundle than the pipeline's takes part, or it does not compute what the
                denoiser's bundle means by its symbols.
        """
        decision = opened.decision()
        if self.verify is False:
            return decision
        try:
            admission = self._admit(opened) if self._replaces(opened) else None
            return replace(decision, admission=admission, proof=self._prove(opened))
        except BundleError as error:
            own = self.sources.bundles[0]
            if opened.source.bundle is own and self.sources.host.bundle is own:
                raise
            raise LinkError(error.message, remedy=error.remedy) from None

    def _replaces(self, opened: OpenedEngine) -> bool:
        """Whether an engine comes from another bundle than the denoiser."""
        return opened.source.bundle is not self.sources.host.bundle

    def _prove(self, opened: OpenedEngine) -> Proof | None:
        """What an engine showed on the probes of its own bundle; None if it needs none, as it replaces another."""
        bundle, component = opened.source.bundle, opened.source.component

        def run() -> Proof | None:
            found = check_engine(opened.engine, bundle, opened.entry)
            if found.verdict == "failed":
                raise BundleError(
                    f"{opened.engine.title} does not compute what its probe says: {found.reason}.", remedy=REMEDY
                )
            if (proof := found.proof()) is not None:
                return proof
            if self._replaces(opened):
                return None
            raise BundleError(
                f"{opened.engine.bundle} has no probes of its {component} to verify it by: {found.reason}.",
                remedy="Export and build it again, or link by the symbols alone: verify=False.",
            )

        return self._once(Proof, opened, (bundle,), run)

    def _admit(self, opened: OpenedEngine) -> Admission | None:
        """What an engine that replaces another showed on the probes of the denoiser's bundle."""
        host, source = self.sources.host, opened.source
        own = replace(host, component=source.component)

        def reference(inputs: Arrays) -> Arrays:
            if own.component not in own.bundle.manifest.components:
                raise LinkError(
                    f"{opened.engine.title} was built for other sizes than the probes of {own.name} have, and "
                    f"{own.name} has no {own.component} of its own to make more with.",
                    remedy="Build it for the size of the probes too, or link by the symbols alone: verify=False.",
                )
            session = replace(self.opening, vae_memory=None).best(own).engine.session
            try:
                return runner(session)(inputs)
            finally:
                session.close()

        def run() -> Admission:
            found = check_candidate(opened.engine, source.bundle, host.bundle, host.name, reference)
            return Admission(host=host.name, same=found.same, snr=found.snr)

        admission = self._once(Admission, opened, (source.bundle, host.bundle), run)
        return None if admission is None else replace(admission, host=host.name)

    def _once(
        self, kind: type[P], opened: OpenedEngine, bundles: Sequence[Bundle], run: Callable[[], P | None]
    ) -> P | None:
        """An earlier proof if one counts, or what `run` finds now."""
        subject = self.earlier.subject(bundles, opened.source.component, opened.entry)
        if self.verify is None and subject and (earlier := self.earlier.find(kind, subject)) is not None:
            return earlier
        began = perf_counter()
        found = run()
        _LOG.info("%s: its probes ran in %.2f s", opened.engine.title, perf_counter() - began)
        opened.engine.session.trim()
        if subject and found is not None:
            self.earlier.keep(found, subject)
        return found
