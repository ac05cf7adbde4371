"""Build a bundle from an export: every component compiled for every chosen target."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from latentlink.bundle_names import bundle_path, new_bundle_path
from latentlink.checks import choice, instance, texts
from latentlink.engine.auto import AUTO, AutoTargets, Clock, find_targets
from latentlink.engine.build_report import DISAGREES, BuildReport, DroppedEngine, UncheckedEngine
from latentlink.engine.builders import BuildOptions, Opener, open_on_cpu
from latentlink.engine.bundle import SHALLOW, Bundle, ComponentEntry, Manifest, replacing_bundle, write_bundle
from latentlink.engine.component_build import BuildContext, BuildEvents, ComponentBuild, build_component
from latentlink.engine.feasible import check_feasible
from latentlink.engine.fitted_probes import write_fitted_probes
from latentlink.engine.graphs import check_links
from latentlink.engine.sizes import PictureSizes, drawable
from latentlink.engine.targets import REFERENCE_TARGET, TARGETS, preflight
from latentlink.errors import UsageError


def build_bundle(
    export: str | Path,
    out: str | Path,
    *,
    targets: Sequence[str] = (REFERENCE_TARGET,),
    sizes: PictureSizes | None = None,
    options: BuildOptions | None = None,
    events: BuildEvents | None = None,
    opener: Opener = open_on_cpu,
    clock: Clock = perf_counter,
) -> BuildReport:
    """Compile an export.

    Every engine that can run on this machine is run on its component's probes. The others have no `parity` in the
    manifest; `latentlink verify` checks them where they can run.

    The target `auto` stands for all targets that this machine can build and run. Each component keeps the engine that
    agrees with its probes and is fastest, at the given sizes or else the model's own, and the manifest keeps the times.

    Args:
        export: Directory that `latentlink export` wrote.
        out: Directory of the bundle, not text that is one of the `SHIPPED` names; an earlier bundle there is replaced
            when the new one is complete.
        targets: Targets to compile every component for, or `auto` alone.
        sizes: Picture sizes and batch to compile for.
        options: Further choices of the user.
        events: Called during the build.
        opener: Opens engines that this machine can run, to run their probes.
        clock: Clock that `auto` times with.

    Raises:
        UsageError: An argument is wrong, or `export` is not an export.
        BundleError: The export is damaged, or no engine of a component for a target agrees with the probes.
        BuildError: A target's builder cannot compile a graph.
        PreflightError: The machine lacks something that a target's builder needs.
    """
    targets = _check_targets(targets)
    automatic = AUTO in targets
    out = new_bundle_path(out)
    for name, value, kind in (("sizes", sizes, PictureSizes), ("options", options, BuildOptions)):
        if value is not None:
            instance(name, value, kind)
    source = _open_export(export, out)
    options = options or BuildOptions()
    choice = find_targets(source.manifest, options) if automatic else AutoTargets(targets=targets, skipped=())
    ordered = tuple(target for target in TARGETS if target in choice.targets)
    check_feasible(source.manifest, ordered, options)
    sampling = drawable(source.manifest.sampling, sizes or PictureSizes())
    with replacing_bundle(out) as folder:
        context = BuildContext(
            source=source,
            folder=folder,
            targets=ordered,
            sizes=sizes or PictureSizes(),
            options=options,
            events=events or BuildEvents(),
            opener=opener,
            clock=clock if automatic else None,
        )
        probes = write_fitted_probes(source, folder, ordered, context.sizes)
        builds: dict[str, ComponentBuild] = {}
        components: dict[str, ComponentEntry] = {}
        for name, entry in source.manifest.components.items():
            # the shallow denoiser is used only beside a whole one for the same target
            only = None if name != SHALLOW else {engine.target for engine in components["denoiser"].engines}
            builds[name] = build = build_component(context, name, probes.get(name), only)
            components[name] = replace(entry, engines=build.engines, measured=build.comparison)
            if entry.tokenizer is not None:
                file = folder / entry.tokenizer.path
                file.parent.mkdir(parents=True)
                shutil.copyfile(source.file(entry.tokenizer.path), file)
        dropped = tuple(one for build in builds.values() for one in build.dropped)
        provenance = {**source.manifest.provenance, **_provenance(dropped)}
        manifest = write_bundle(
            folder,
            replace(
                source.manifest,
                kind="bundle",
                components=components,
                sampling=sampling,
                provenance=provenance,
                files={},
            ),
        )
    return BuildReport(
        manifest=manifest,
        conversions={name: build.conversion for name, build in builds.items() if build.conversion is not None},
        dropped=dropped,
        skipped=choice.skipped,
        unchecked=_unchecked(manifest),
    )


def _check_targets(targets: Sequence[str]) -> tuple[str, ...]:
    """Refuse no targets, unknown ones, and `auto` beside others."""
    listed = texts("targets", targets)
    for target in listed:
        choice("target", target, (AUTO, *TARGETS))
    if not listed:
        raise UsageError("targets is empty; expected at least one.")
    if AUTO in listed and len(listed) > 1:
        raise UsageError(
            f"{AUTO} stands for every target of this machine, so it stands alone: received {', '.join(listed)}."
        )
    return listed


def _open_export(export: str | Path, out: Path) -> Bundle:
    """The export, checked.

    Raises:
        UsageError: It is a bundle, or `out` is the export itself.
        BundleError: It is damaged.
    """
    source = Bundle.open(bundle_path(export, "export"))
    if source.manifest.kind != "export":
        raise UsageError(f"{str(export)!r} is a bundle already; expected an export, from latentlink export.")
    if out.exists() and out.samefile(source.root):
        raise UsageError(f"{str(out)!r} is the export itself; expected another folder for the bundle.")
    check_links(source)
    return source


def _provenance(dropped: Sequence[DroppedEngine]) -> dict[str, str]:
    """The manifest's notes on dropped engines, for people."""
    return {
        f"left_out.{one.component}.{one.target}.{one.precision}": one.summary()
        for one in dropped
        if one.code == DISAGREES
    }


def _unchecked(manifest: Manifest) -> tuple[UncheckedEngine, ...]:
    """The engines that cannot run on this machine."""
    return tuple(
        UncheckedEngine(component=name, target=engine.target, precision=engine.precision, finding=finding)
        for name, entry in manifest.components.items()
        for engine in entry.engines
        if (finding := preflight(engine)) is not None
    )
