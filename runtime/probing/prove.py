"""The probes that `load` runs: of an engine of the bundle itself, or of a component that replaces another."""

from __future__ import annotations

from dataclasses import replace

from latentlink.engine.bundle import Arrays
from latentlink.errors import LinkError
from latentlink.runtime.linking import Admission, OpenedEngine, Opening, Sources
from latentlink.runtime.probing.candidate import check_candidate
from latentlink.runtime.probing.running import runner
from latentlink.runtime.probing.verify import verify_quick


def prove(opened: OpenedEngine, sources: Sources, opening: Opening, *, every: bool) -> Admission | None:
    """Run the probes of one engine.

    Args:
        opened: The engine.
        sources: All components of the pipeline: the denoiser's bundle says what latents mean.
        opening: How engines are opened.
        every: Whether an engine of the denoiser's bundle runs a probe too.

    Returns:
        What the probes of the denoiser's bundle showed; None where the engine comes from there.

    Raises:
        BundleError: It does not compute what its own bundle's probe says.
        LinkError: It does not compute what the denoiser's bundle means by its symbols.
    """
    host, source = sources.host, opened.source
    if every:
        verify_quick(opened.engine, source.bundle, opened.entry.precision)
    if source.bundle is host.bundle:
        return None
    own = replace(host, component=source.component)

    def reference(inputs: Arrays) -> Arrays:
        if own.component not in own.bundle.manifest.components:
            raise LinkError(
                f"{opened.engine.title} was built for other sizes than the probes of {own.name} have, and {own.name} "
                f"has no {own.component} of its own to make more with.",
                remedy="Build it for the size of the probes too, or link by the symbols alone: --no-verify.",
            )
        session = replace(opening, vae_memory=None).best(own).engine.session
        try:
            return runner(session)(inputs)
        finally:
            session.close()

    found = check_candidate(opened.engine, source.bundle, host.bundle, host.name, reference)
    return Admission(host=host.name, same=found.same, snr=found.snr)
