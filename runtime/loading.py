"""Bundles to a pipeline: read, check, choose an engine for each component, open, link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace as changed
from functools import partial
from pathlib import Path

from latentlink.engine.bundle import SHALLOW, Arrays, Bundle
from latentlink.errors import BundleError, LinkError, UsageError
from latentlink.ports import Port, latent_port
from latentlink.runtime.bundle_names import bundle_path
from latentlink.runtime.linking import Engine, Linked, Opening, Residency
from latentlink.runtime.linking.link import as_declared, link
from latentlink.runtime.pipeline import Pipeline
from latentlink.runtime.probing import check_candidate, runner, verify_quick
from latentlink.runtime.text import Prompts
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding


def load(
    bundle: str | Path,
    *,
    target: str = "auto",
    replace: Mapping[str, str | Path] | None = None,
    threads: int | None = None,
    verify: bool | None = None,
    memory: int | None = None,
    resident: int | None = None,
    previews: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pipeline:
    """Open a bundle and link its engines.

    Args:
        bundle: A bundle's directory, or one of the `SHIPPED` names.
        target: A target, or `auto` for the first engine of each component that is valid on this machine.
        replace: Components to take from other bundles, as `{"vae_decoder": "other_bundle"}`.
        threads: Threads for one engine's run; None takes the processors this process may use.
        verify: What is run on probes: None, components that are not from the denoiser's bundle, which have to show that
            they read and write its latents; True, one probe of every engine too; False, nothing.
        memory: Bytes that decoding or encoding a picture may take beyond the engine's weights. A picture that needs
            more is done in several passes, blended where they meet. What fits is measured at the first picture. None
            sets no budget.
        resident: Bytes that the files of the engines that are open at once may have together, so that a model runs on
            a machine that does not hold all of it: the engine that ran longest ago is closed for the next, and opened
            again when it runs. None keeps all open.
        previews: Bundle whose decoder makes the pictures of `Pipeline.preview`, such as a small one of the same latent
            space; it has to fit as a replaced one has to. None takes the decoder of the pipeline.
        on_progress: Called with (bytes checked, bytes in all) while files are checked.

    Raises:
        UsageError: There is no bundle, no such component or target, memory or resident is no number of bytes, or one
            engine alone is larger than resident.
        BundleError: A bundle is damaged or tampered with.
        PreflightError: No engine of a component is valid on this machine.
        LinkError: The engines do not fit, or one from another bundle does not compute what its symbols say.
    """
    room = None if resident is None else Residency(resident)
    opening = Opening(target=target, threads=threads, memory=memory, room=room)
    own = _open(bundle, on_progress)
    chosen = dict.fromkeys(own.manifest.components, (str(bundle), own))
    opened = [own]
    for component, other in (replace or {}).items():
        donor = _open(other, on_progress)
        opened.append(donor)
        if component not in donor.manifest.components:
            raise UsageError(
                f"{str(other)!r} has no component {component!r}; it has {', '.join(donor.manifest.components)}."
            )
        chosen[component] = (str(other), donor)
        if component == "denoiser":  # what its deep layers make is read by its own shallow one alone
            chosen.pop(SHALLOW, None)
            if SHALLOW in donor.manifest.components:
                chosen[SHALLOW] = (str(other), donor)
    engines: list[Engine] = []
    precisions: dict[str, str] = {}
    targets: dict[str, str] = {}
    wider: dict[str, Callable[[], Engine]] = {}
    notes: list[str] = []
    try:
        for component, (title, source) in chosen.items():
            if component == SHALLOW and targets.get("denoiser") not in _targets(source):
                notes.append(f"{SHALLOW}: {title} has none for {targets.get('denoiser')}, so there is no step cache")
                continue
            how = changed(opening, target=targets["denoiser"]) if component == SHALLOW else opening
            engine, entry, decided = how.best(component, title, source)
            engines.append(engine)
            notes += decided
            precisions[component], targets[component] = entry.precision, entry.target
            if (found := opening.wider(component, title, source, entry)) is not None:
                opener, wide = found
                check = partial(_verify, chosen=chosen, precision=wide.precision, opening=opening)
                wider[component] = partial(_open_wide, opener, None if verify is False else check)
        linked = link(engines, lambda port: _record(port, opened))
        if verify is not False:
            for engine in engines:
                notes += _verify(engine, chosen, precisions[engine.component], opening, every=verify is True)
        space = _record(linked.latent, opened)
        if not isinstance(space, LatentSpace):
            raise BundleError(
                f"The manifest of {bundle} has no record of the latent space {linked.latent.symbol} that its "
                "denoiser writes.",
                remedy="The manifest was edited: get the bundle again, or build it again.",
            )
        prompts = {
            component: Prompts(source.file(tokenizer.path), tokenizer)
            for component, (_, source) in chosen.items()
            if (tokenizer := source.manifest.components[component].tokenizer) is not None
        }
        small = None
        if previews is not None:
            donor = _open(previews, on_progress)
            small, decided = _with_decoder(str(previews), donor, engines, chosen, opened, opening, verify)
            notes += decided
        return Pipeline(
            name=str(bundle),
            manifest=own.manifest,
            # what the denoiser was trained with goes with it, whichever bundle it came from
            sampling=chosen["denoiser"][1].manifest.sampling,
            linked=linked,
            prompts=prompts,
            space=space,
            engines=engines,
            notes=notes,
            memory=memory,
            wider=wider,
            previews=small,
        )
    except BaseException:
        for engine in engines:
            engine.session.close()
        raise


def decided(bundle: str | Path, *, target: str = "auto") -> list[str]:
    """Which engine of every component `load` would open, and which it would pass over. No file is hashed.

    `load` itself passes over more where a runtime refuses an engine as it is opened; `Pipeline.notes` say that.

    Args:
        bundle: As in `load`.
        target: As in `load`.

    Raises:
        UsageError, BundleError, PreflightError: As in `load`.
    """
    return Opening(target=target).decided(str(bundle), _open(bundle, None, check_files=False))


def open_component(
    bundle: str | Path, component: str, *, target: str = "auto", threads: int | None = None
) -> tuple[Engine, Bundle] | None:
    """Open one component of a bundle by itself, linked to nothing.

    Args:
        bundle: As in `load`.
        component: `vae_decoder`, ...
        target: As in `load`.
        threads: As in `load`.

    Returns:
        The engine, whose session the caller closes, and its bundle; None where the bundle has no such component.

    Raises:
        UsageError, BundleError, PreflightError: As in `load`.
    """
    source = _open(bundle, None)
    if component not in source.manifest.components:
        return None
    engine, _, _ = Opening(target=target, threads=threads).best(component, str(bundle), source)
    return engine, source


def _open(bundle: str | Path, on_progress: Callable[[int, int], None] | None, *, check_files: bool = True) -> Bundle:
    opened = Bundle.open(bundle_path(bundle), check_files=check_files, on_progress=on_progress)
    if opened.manifest.kind != "bundle":
        raise UsageError(
            f"{str(bundle)!r} is an export, not a bundle.",
            remedy=f"Build it: latentlink build {bundle} BUNDLE.",
        )
    return opened


def _targets(source: Bundle) -> set[str]:
    """What the shallow denoiser was built for: it shares buffers with the whole one, and so its target."""
    return {engine.target for engine in source.manifest.components[SHALLOW].engines}


def _with_decoder(
    title: str,
    donor: Bundle,
    engines: list[Engine],
    chosen: Mapping[str, tuple[str, Bundle]],
    opened: list[Bundle],
    opening: Opening,
    verify: bool | None,
) -> tuple[Linked, list[str]]:
    """The engines linked with the decoder of another bundle, and what was decided; checked like a replaced one."""
    if "vae_decoder" not in donor.manifest.components:
        raise UsageError(
            f"{title!r} has no vae_decoder to make previews with; it has {', '.join(donor.manifest.components)}."
        )
    engine, entry, notes = opening.best("vae_decoder", title, donor)
    try:
        others = [other for other in engines if other.component != "vae_decoder"]
        linked = link([*others, engine], lambda port: _record(port, [*opened, donor]))
        if verify is not False:
            replaced = {**chosen, "vae_decoder": (title, donor)}
            notes += _verify(engine, replaced, entry.precision, opening, every=verify is True)
    except BaseException:
        engine.session.close()
        raise
    return linked, [f"previews: {note}" for note in notes]


def _open_wide(opener: Callable[[], Engine], check: Callable[..., list[str]] | None) -> Engine:
    """Open a wider engine, which has to be what the one that it takes the place of was checked to be."""
    engine = opener()
    try:
        as_declared(engine)
        if check is not None:
            check(engine, every=True)
    except BaseException:
        engine.session.close()
        raise
    return engine


def _verify(
    engine: Engine,
    chosen: Mapping[str, tuple[str, Bundle]],
    precision: str,
    opening: Opening,
    *,
    every: bool,
) -> list[str]:
    """Run the probes that `load` was asked for, and say what they showed: the denoiser's bundle says what latents mean.

    Args:
        engine: Opened.
        chosen: Name and bundle of every component.
        precision: What the engine computes in.
        opening: How its like are opened.
        every: Whether an engine runs a probe of its own bundle too.
    """
    component = engine.component
    host_name, host = chosen["denoiser"]
    title, source = chosen[component]
    if every:
        verify_quick(engine, source, precision)
    if source is host:
        return []

    def own(inputs: Arrays) -> Arrays:
        if component not in host.manifest.components:
            raise LinkError(
                f"{engine.title} was built for other sizes than the probes of {host_name} have, and {host_name} has no "
                f"{component} of its own to make more with.",
                remedy="Build it for the size of the probes too, or link by the symbols alone: --no-verify.",
            )
        session = changed(opening, memory=None).best(component, host_name, host)[0].session
        try:
            return runner(session)(inputs)
        finally:
            session.close()

    found = check_candidate(engine, source, host, host_name, own)
    how = "makes the same of" if found.same else f"explains {found.snr:.1f} dB of what its own makes of"
    return [f"{component}: from {title}, {how} the probes of {host_name}"]


def _record(port: Port, bundles: list[Bundle]) -> LatentSpace | TextEmbedding | None:
    """What a symbol stands for: the record in one of the manifests that makes this very symbol, or a known space."""
    for bundle in bundles:
        found = bundle.describe(port)
        if found is not None:
            return found
    known = KNOWN_SPACES.get(port.name)
    return known if known is not None and latent_port(known, port.dtype).symbol == port.symbol else None
