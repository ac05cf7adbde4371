"""The engines of one component: built for every target, checked on its probes, compared where `auto` has to choose."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

from latentlink.checks import callbacks
from latentlink.engine.auto import BuiltEngine, Clock, compare_engines
from latentlink.engine.build_report import DISAGREES, FAILED, DroppedEngine
from latentlink.engine.builders import BUILDERS, BuildOptions, Job, OnPhase, Opener, open_on_cpu
from latentlink.engine.bundle import Bundle, ComparedEngine, EngineComparison, EngineEntry, Probes
from latentlink.engine.bundle.component_entry import ports_digest
from latentlink.engine.bundle.printable import only_printable
from latentlink.engine.bundle.record_checks import MAX_TEXT
from latentlink.engine.graphs import Graph, check_gate, graphs_of
from latentlink.engine.precision import ConversionReport
from latentlink.engine.quality import Agreement, is_quantised
from latentlink.engine.quality.gate import PREFIX
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.engine.targets import REFERENCE_TARGET, TARGETS, make_fingerprint, preflight
from latentlink.errors import BuildError, BundleError
from latentlink.spaces import digest

DISAGREES_REMEDY = (
    "Export it again, or build it in a wider precision; if that does not help, it is a fault of the builder: report it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEvents:
    """Functions that a build calls to show its progress.

    Args:
        on_engine: Called with (number, count, title) before each engine.
        on_phase: Called with the phase of the engine's builder and the share of it that is done.
    """

    on_engine: Callable[[int, int, str], None] = lambda number, count, title: None
    on_phase: OnPhase = lambda phase, share: None

    def __post_init__(self) -> None:
        callbacks(on_engine=self.on_engine, on_phase=self.on_phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """The inputs of a build; see `build_bundle`.

    Args:
        source: The export.
        folder: Directory of the unfinished bundle.
        targets: Targets to build for, in the order of `TARGETS`.
        sizes: Picture sizes and batch to build for.
        options: Further choices of the user.
        events: Called during the build.
        opener: Opens engines that this machine can run.
        clock: Clock to find the fastest target with, whose engines alone are kept; None keeps all targets.
    """

    source: Bundle
    folder: Path
    targets: tuple[str, ...]
    sizes: PictureSizes
    options: BuildOptions
    events: BuildEvents
    opener: Opener
    clock: Clock | None

    @property
    def scratch(self) -> Path:
        """Directory for intermediate files of a component."""
        return self.folder / "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentBuild:
    """The engines of a component.

    Args:
        engines: The preferred one first.
        comparison: What was measured to choose the target; None if all targets were kept.
        conversion: What the conversion to another precision kept in float32; None without one.
        dropped: Engines that are not in the bundle.
    """

    engines: tuple[EngineEntry, ...]
    comparison: EngineComparison | None
    conversion: ConversionReport | None
    dropped: tuple[DroppedEngine, ...]


def build_component(
    context: BuildContext, name: str, probes: Probes | None, only: Collection[str] | None
) -> ComponentBuild:
    """Build a component's engines.

    Args:
        context: The build.
        name: The component.
        probes: Its probes.
        only: Targets that it is needed for; None for all.

    Raises:
        BundleError: A target has no engine that agrees with the probes.
        BuildError: A target's builder cannot compile a graph.
    """
    graphs = [*graphs_of(context.source, name, context.options.precision, context.scratch)]
    for graph in graphs:
        check_gate(name, graph.precision, graph.parity)
    names = [*context.source.manifest.components]
    count = len(names) * len(context.targets)
    built: dict[str, list[BuiltEngine]] = {}
    dropped: list[DroppedEngine] = []
    targets = [target for target in context.targets if only is None or target in only]
    for number, target in enumerate(targets):
        title = f"{name} for {target}"
        context.events.on_engine(names.index(name) * len(context.targets) + number, count, title)
        try:
            built[target] = _build_target(context, name, target, graphs, probes, dropped)
        except (BuildError, BundleError) as error:
            if context.clock is None:
                raise
            for kind in (target, *(f"{target}-{graph.precision}" for graph in graphs)):
                shutil.rmtree(context.folder / "engines" / name / kind, ignore_errors=True)
            dropped.append(
                DroppedEngine(
                    code=FAILED,
                    component=name,
                    target=target,
                    precision=graphs[0].precision,
                    message=error.message,
                    remedy=error.remedy,
                )
            )
    failures = [one for one in dropped if one.code == FAILED]
    if not built:
        reasons = "; ".join(f"{one.target}: {_printable(one.message)}" for one in failures)
        raise BundleError(f"No engine of {name} was built: {reasons}", remedy="Export it again.")
    comparison = None
    if context.clock is not None:
        comparison = _choose(context, name, built, failures, probes, context.clock)
    shutil.rmtree(context.scratch, ignore_errors=True)
    return ComponentBuild(
        engines=tuple(one.engine for engines in built.values() for one in engines),
        comparison=comparison,
        conversion=graphs[0].conversion,
        dropped=tuple(dropped),
    )


def _choose(
    context: BuildContext,
    name: str,
    built: dict[str, list[BuiltEngine]],
    failures: Sequence[DroppedEngine],
    probes: Probes | None,
    clock: Clock,
) -> EngineComparison:
    """Compare the targets' engines, and leave only those of the fastest in `built` and on the disk."""
    context.events.on_phase("timing its engines", 0)
    comparison = compare_engines(
        {target: engines[0] for target, engines in built.items()},
        [
            ComparedEngine(target=one.target, precision=one.precision, reason=_printable(one.message))
            for one in failures
        ],
        {
            target: partial(context.opener, context.folder / engines[0].engine.path, target)
            for target, engines in built.items()
        },
        None if probes is None else probes.probes[0],
        ports=context.source.manifest.components[name].inputs,
        limits=limits_of(context.source.manifest, name, context.sizes, every=True),
        clock=clock,
    )
    best = comparison.candidates[0].target
    for target in [target for target in built if target != best]:
        for one in built.pop(target):
            shutil.rmtree((context.folder / one.engine.path).parent)
    return comparison


def _build_target(
    context: BuildContext,
    name: str,
    target: str,
    graphs: Sequence[Graph],
    probes: Probes | None,
    dropped: list[DroppedEngine],
) -> list[BuiltEngine]:
    """The engines of one target that agree with the probes; the others are added to `dropped`.

    Raises:
        BundleError: None agrees.
    """
    entry = context.source.manifest.components[name]
    built: list[BuiltEngine] = []
    failed = []
    for graph in graphs:
        engine = _build_engine(context, name, target, graph, first=graph is graphs[0])
        fitting = None if probes is None else probes.within(engine.limits, entry.inputs)
        agreement = None if fitting is None else _check(context, engine, graph, fitting)
        if agreement is None or agreement.sufficient:
            measured = engine if agreement is None else _with_parity(engine, agreement, fitting)
            built.append(BuiltEngine(engine=measured, agreement=agreement))
            continue
        failed.append(
            DroppedEngine(
                code=DISAGREES,
                component=name,
                target=target,
                precision=engine.precision,
                shortfalls=agreement.shortfalls(),
                remedy=DISAGREES_REMEDY,
            )
        )
        dropped.append(failed[-1])
        shutil.rmtree((context.folder / engine.path).parent)
    if not built:
        reasons = "; ".join(one.summary() for one in failed)
        raise BundleError(
            f"No engine of {name} for {target} agrees with its probes: {reasons}.",
            remedy=DISAGREES_REMEDY,
        )
    return built


def _build_engine(context: BuildContext, name: str, target: str, graph: Graph, *, first: bool) -> EngineEntry:
    """Build one engine into the bundle's folder."""
    entry = context.source.manifest.components[name]
    limits = limits_of(context.source.manifest, name, context.sizes, every=TARGETS[target].profiles)
    kind = target if first else f"{target}-{graph.precision}"
    path = context.folder / "engines" / name / kind / TARGETS[target].file
    path.parent.mkdir(parents=True)
    facts = import_module(BUILDERS[target]).build_engine(
        Job(
            target=target,
            component=name,
            precision=graph.precision,
            source=graph.path,
            out=path,
            inputs=entry.inputs,
            outputs=entry.outputs,
            limits=limits,
            options=context.options,
            on_phase=context.events.on_phase,
        )
    )
    return EngineEntry(
        target=target,
        precision=graph.precision,
        path=path.relative_to(context.folder).as_posix(),
        fingerprint=make_fingerprint(
            target=target,
            facts={
                **facts,
                "source": graph.source,
                "ports": ports_digest(entry.inputs, entry.outputs),
                "precision": graph.precision,
                "limits": digest(limits),
            },
        ),
        limits=limits,
        parity=None if TARGETS[target].gpu and not is_quantised(graph.precision) else graph.parity,
    )


def _check(context: BuildContext, engine: EngineEntry, graph: Graph, probes: Probes) -> Agreement | None:
    """Run a new engine on its probes; None if it cannot run here.

    If the engine cannot run here and its graph was converted, the graph is run on the CPU, to detect an overflow now.
    Of that run only a disagreement is returned: agreement would not prove the engine.
    """
    if preflight(engine) is None:
        with context.opener(context.folder / engine.path, engine.target) as run:
            return probes.check(run, engine.precision)
    if graph.converted and graph.precision not in TARGETS[REFERENCE_TARGET].lacks:
        with open_on_cpu(graph.path, REFERENCE_TARGET) as run:
            agreement = probes.check(run, engine.precision, quick=True)
        return None if agreement.sufficient else agreement
    return None


def _with_parity(engine: EngineEntry, agreement: Agreement, probes: Probes | None) -> EngineEntry:
    """The engine with its own figures, if their reference is the same as that of the export's figures."""
    reference = "" if probes is None else probes.reference
    if is_quantised(engine.precision):
        gate = {key: value for key, value in (engine.parity or {}).items() if key.startswith(PREFIX)}
        return replace(engine, parity={**agreement.to_json(reference), **gate})
    same = engine.parity is None or engine.parity["reference"] == reference
    return replace(engine, parity=agreement.to_json(reference)) if same else engine


def _printable(message: str) -> str:
    """A message as a manifest may keep it."""
    return only_printable(message)[:MAX_TEXT]
