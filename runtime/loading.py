"""From bundles to a pipeline: choose the components, open an engine for each, link them, and prove them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Never

from latentlink.bundle_names import bundle_path
from latentlink.checks import callback, instance, truth
from latentlink.engine.bundle import SHALLOW, Bundle
from latentlink.errors import BundleError, UsageError
from latentlink.options import TargetName
from latentlink.runtime.linking import (
    ComponentSource,
    Decision,
    Engine,
    EngineMemory,
    LinkedVae,
    OpenedEngine,
    Opening,
    Sources,
    close_all,
    no_step_cache,
)
from latentlink.runtime.linking.link import Linked, as_declared, link, link_vae
from latentlink.runtime.load_arguments import donors_of, unknown_argument
from latentlink.runtime.log import log_decisions
from latentlink.runtime.picture_files import Origin
from latentlink.runtime.pipeline import Pipeline
from latentlink.runtime.probing.prove import Prover
from latentlink.runtime.request import check_sampling
from latentlink.runtime.text import Prompts
from latentlink.spaces import LatentSpace

OnProgress = Callable[[int, int], None]


def load(
    bundle: str | Path,
    *,
    target: TargetName | str = "auto",
    replace: Mapping[str, str | Path] | None = None,
    threads: int | None = None,
    verify: bool | None = None,
    vae_memory: int | None = None,
    engine_memory: int | None = None,
    previews: str | Path | None = None,
    on_progress: OnProgress | None = None,
    **renamed: Never,
) -> Pipeline:
    """Open a bundle and link its engines.

    A bundle of a VAE alone, or of one half, is opened for `encode`, `decode`, `preview` and `transfer`.

    Args:
        bundle: A bundle's directory, or one of the `SHIPPED` names as text (see `bundle_path`).
        target: A key of `TARGETS`, or `auto` for the first engine of each component that is valid on this machine.
        replace: Components to take from other bundles, as `{"vae_decoder": "other_bundle"}`.
        threads: Threads for one engine's run, 1 to `MAX_THREADS`; None uses all processors that this process may use
            (affinity and quota).
        verify: Whether engines have to prove what they compute before anything is drawn: every engine on the probes of
            its own bundle, and one from another bundle than the denoiser's also on those of the denoiser's. None: once
            for each bundle on this machine; proofs are kept in the user's cache. True: now. False: never, engines are
            linked by their symbols alone.
        vae_memory: Maximum bytes that decoding or encoding a picture may take beyond the engine's weights. A picture
            that needs more is processed in several passes, blended where they meet. What fits is measured at the first
            picture. None sets no budget.
        engine_memory: Maximum total size in bytes of the files of the open engines, so that a model runs on a machine
            that cannot hold all of it; the least recently used engine is closed first, and opened again when it
            runs. None keeps all open.
        previews: Bundle whose decoder makes the pictures of `Pipeline.preview`, such as a small one of the same latent
            space; it is checked like a replaced decoder. None uses the pipeline's decoder.
        on_progress: Called with (bytes checked, total bytes) while files are checked; what it returns is not read.

    Raises:
        UsageError: An argument is not of its type or out of range, which is checked before any file is read; there is
            no such bundle, component or target; or one engine alone is larger than `engine_memory`.
        BundleError: A bundle is damaged or tampered with, or an engine does not compute what its probes say.
        PreflightError: No engine of a component is valid on this machine.
        LinkError: The engines do not fit, or one does not compute what its symbols or its bundle's probes say, where
            several bundles take part.
    """
    if renamed:
        raise unknown_argument(next(iter(renamed)), load)
    memory = None if engine_memory is None else EngineMemory(engine_memory)
    opening = Opening(target=target, threads=threads, vae_memory=vae_memory, engine_memory=memory)
    if verify is not None:
        verify = truth("verify", verify)
    callback("on_progress", on_progress)
    donors = donors_of(replace)
    if previews is not None:
        bundle_path(previews, "previews")
    sources = _choose(bundle, donors, on_progress)
    with _open(sources, opening) as (engines, without):
        linked = _link([opened.engine for opened in engines], sources)
        for opened in engines:
            opened.source.entry.check_fingerprints()
        # the training schedule belongs to the denoiser, whichever bundle that came from
        sampling = sources.host.bundle.manifest.sampling
        if isinstance(linked, Linked):
            check_sampling(sampling)
        space, prompts = _space(linked, sources), _prompts(sources)
        prover = Prover(sources=sources, opening=opening, verify=verify)
        wider = _wider(engines, prover)
        decisions = [*without, *prover.prove_all(engines)]
        small = None
        if previews is not None:
            donor = _part(_read(previews, on_progress), previews, "vae_decoder", " to make previews with")
            small, decision = _with_decoder(donor, engines, prover)
            decisions.append(decision)
        log_decisions(decisions)
        return Pipeline(
            name=str(bundle),
            manifest=sources.bundles[0].manifest,
            sampling=sampling,
            halves=linked,
            linked=linked if isinstance(linked, Linked) else None,
            prompts=prompts,
            space=space,
            engines=[opened.engine for opened in engines],
            origin=_origin(sources, engines),
            decisions=decisions,
            vae_memory=opening.vae_memory,
            wider=wider,
            previews=small,
        )


def decide(bundle: str | Path, *, target: TargetName | str = "auto") -> list[Decision]:
    """Which engine of every component `load` would open, and which it would pass over. No file is hashed.

    `load` itself passes over more where a runtime refuses an engine as it is opened; see `Pipeline.decisions`.

    Args:
        bundle: As in `load`.
        target: As in `load`.

    Raises:
        UsageError, BundleError, PreflightError: As in `load`.
    """
    opening, source = Opening(target=target), _read(bundle, None, check_files=False)
    return [opening.decide(_part(source, bundle, component)) for component in source.manifest.components]


def open_component(
    bundle: str | Path, component: str, *, target: TargetName | str = "auto", threads: int | None = None
) -> tuple[Engine, Bundle] | None:
    """Open one component of a bundle by itself, without linking it.

    Args:
        bundle: As in `load`.
        component: `vae_decoder`, ...
        target: As in `load`.
        threads: As in `load`.

    Returns:
        The engine, whose session the caller closes, and its bundle; None if the bundle has no such component.

    Raises:
        UsageError, BundleError, PreflightError: As in `load`.
    """
    opening = Opening(target=target, threads=threads)
    instance("component", component, str)
    source = _read(bundle, None)
    if component not in source.manifest.components:
        return None
    return opening.best(_part(source, bundle, component)).engine, source


def _read(bundle: str | Path, on_progress: OnProgress | None, *, check_files: bool = True) -> Bundle:
    """Open the directory of a bundle.

    Raises:
        UsageError: There is none, or it is an export.
        BundleError: It is damaged.
    """
    opened = Bundle.open(bundle_path(bundle), check_files=check_files, on_progress=on_progress)
    if opened.manifest.kind != "bundle":
        raise UsageError(
            f"{str(bundle)!r} is an export, not a bundle.",
            remedy=f"Build it: latentlink build {bundle} BUNDLE.",
        )
    return opened


def _part(bundle: Bundle, name: str | Path, component: str, purpose: str = "") -> ComponentSource:
    """A component of a bundle.

    Raises:
        UsageError: The bundle has no such component.
    """
    if component not in bundle.manifest.components:
        article = f"no component {component!r}" if not purpose else f"no {component}{purpose}"
        raise UsageError(f"{str(name)!r} has {article}; it has {', '.join(bundle.manifest.components)}.")
    return ComponentSource(component=component, name=str(name), bundle=bundle)


def _choose(bundle: str | Path, replacements: Mapping[str, str | Path], on_progress: OnProgress | None) -> Sources:
    """The bundle's components, and those that take their place."""
    own = _read(bundle, on_progress)
    components = {component: _part(own, bundle, component) for component in own.manifest.components}
    bundles = [own]
    for component, other in replacements.items():
        donor = _read(other, on_progress)
        bundles.append(donor)
        components[component] = _part(donor, other, component)
        if component == "denoiser":  # only its own shallow denoiser reads what its deep layers write
            components.pop(SHALLOW, None)
            if SHALLOW in donor.manifest.components:
                components[SHALLOW] = _part(donor, other, SHALLOW)
    if "denoiser" not in components:  # the link says so
        components.pop(SHALLOW, None)
    return Sources(components=components, bundles=tuple(bundles))


@contextmanager
def _open(sources: Sources, opening: Opening) -> Iterator[tuple[list[OpenedEngine], list[Decision]]]:
    """An engine of every component, and the decisions to go without one; closes all of them if something fails."""
    engines: list[OpenedEngine] = []
    without: list[Decision] = []
    try:
        for component, source in sources.components.items():
            how = opening
            if component == SHALLOW:  # it shares buffers with the whole denoiser, so both need the same target
                target = next(opened.entry.target for opened in engines if opened.source.component == "denoiser")
                if target not in {engine.target for engine in source.entry.engines}:
                    without.append(no_step_cache(source, target))
                    continue
                how = changed(opening, target=target)
            engines.append(how.best(source))
        yield engines, without
    except BaseException:
        close_all(engines)
        raise


def _link(engines: list[Engine], sources: Sources) -> LinkedVae:
    """The linked engines: a `Linked`, if they are a model that draws."""
    return (link if sources.draws else link_vae)(engines, sources.describe)


def _with_decoder(donor: ComponentSource, engines: list[OpenedEngine], prover: Prover) -> tuple[LinkedVae, Decision]:
    """The engines linked with the decoder of another bundle, which is proved like a replaced one."""
    opened = prover.opening.best(donor)
    try:
        others = [other.engine for other in engines if other.source.component != donor.component]
        known = changed(prover.sources, bundles=(*prover.sources.bundles, donor.bundle))
        linked = _link([*others, opened.engine], known)
        donor.entry.check_fingerprints()
        return linked, changed(prover.prove(opened), purpose="preview")
    except BaseException:
        close_all([opened])
        raise


def _wider(engines: list[OpenedEngine], prover: Prover) -> dict[str, Callable[[], Engine]]:
    """By component, a function that opens an engine of a wider precision."""
    found: dict[str, Callable[[], Engine]] = {}
    for opened in engines:
        if (wide := prover.opening.wider(opened)) is not None:
            opener, entry = wide
            found[opened.source.component] = partial(_open_wide, opener, changed(opened, entry=entry), prover)
    return found


def _open_wide(opener: Callable[[], Engine], narrow: OpenedEngine, prover: Prover) -> Engine:
    """Open a wider engine, with the same checks as the engine that it replaces."""
    engine = opener()
    try:
        as_declared(engine)
        prover.prove(changed(narrow, engine=engine))
    except BaseException:
        engine.session.close()
        raise
    return engine


def _space(linked: LinkedVae, sources: Sources) -> LatentSpace:
    """The latent space of the denoiser, or of a VAE alone.

    Raises:
        BundleError: No manifest has a record of it.
    """
    space = sources.describe(linked.latent)
    if not isinstance(space, LatentSpace):
        raise BundleError(
            f"The manifest of {sources.host.name} has no record of the latent space {linked.latent.symbol} of its "
            f"{sources.host.component}.",
            remedy="The manifest was edited: get the bundle again, or build it again.",
        )
    return space


def _origin(sources: Sources, engines: list[OpenedEngine]) -> Origin:
    """What pictures say of the model."""
    own, components = sources.bundles[0], sources.components
    return Origin(
        name=own.manifest.name,
        family=own.manifest.family,
        manifest=own.sha256,
        replaced={name: one.bundle.sha256 for name, one in components.items() if one.bundle is not own},
        engines={one.source.component: (one.entry.target, one.entry.precision) for one in engines},
    )


def _prompts(sources: Sources) -> dict[str, Prompts]:
    """A tokenizer for every text encoder."""
    return {
        component: Prompts(source.bundle.file(tokenizer.path), tokenizer)
        for component, source in sources.components.items()
        if (tokenizer := source.entry.tokenizer) is not None
    }
