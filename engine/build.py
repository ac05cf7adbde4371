"""Export to bundle: every component compiled for every target asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter

from latentlink.engine.auto import AUTO, Clock, Tried, contest, targets_here
from latentlink.engine.builders import BUILDERS, Job, OnPhase, Opener, Options, open_on_cpu
from latentlink.engine.bundle import (
    SHALLOW,
    Bundle,
    ComponentEntry,
    EngineEntry,
    Manifest,
    Measured,
    Probes,
    is_bundle,
    write_bundle,
)
from latentlink.engine.bundle.checks import MAX_TEXT
from latentlink.engine.bundle.manifest import Candidate
from latentlink.engine.feasible import check_request
from latentlink.engine.fitted_probes import take_probes
from latentlink.engine.graphs import Graph, check_gate, check_links, graphs_of
from latentlink.engine.precision import Report
from latentlink.engine.quality import Agreement, is_quantised
from latentlink.engine.quality.gate import PREFIX
from latentlink.engine.sizes import Shapes, limits_of
from latentlink.engine.targets import TARGETS, make_fingerprint, preflight
from latentlink.errors import BuildError, BundleError, UsageError
from latentlink.files import replacing_directory
from latentlink.spaces import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is called while a bundle is built, for whoever shows progress.

    Args:
        on_engine: With (number, count, title) before each engine.
        on_phase: With the phase of the engine's builder and the share of it that is done.
        on_precision: With a component's name and what its conversion kept in float32.
    """

    on_engine: Callable[[int, int, str], None] = lambda number, count, title: None
    on_phase: OnPhase = lambda phase, share: None
    on_precision: Callable[[str, Report], None] = lambda component, report: None


def build_bundle(
    exported: str | Path,
    out: str | Path,
    *,
    targets: Sequence[str] = ("ort-cpu",),
    shapes: Shapes | None = None,
    options: Options | None = None,
    told: Told | None = None,
    opener: Opener = open_on_cpu,
    clock: Clock = perf_counter,
) -> Manifest:
    """Compile an export.

    Every engine that can run on this machine is run on its component's probes. Others have no
    `parity` in the manifest: `latentlink verify` runs them where they can run.

    The target `auto` stands for all that this machine can build and run: each component keeps the engine that agrees
    with its probes and is fastest here, at the sizes asked for or else at the model's own, and what was measured.

    Args:
        exported: Directory that `latentlink export` wrote.
        out: Bundle to make; an earlier one there is replaced when the new one is whole.
        targets: Targets to compile every component for, or `auto` alone.
        shapes: Sizes to compile for.
        options: What else the user chose.
        told: Called as the work goes on.
        opener: Opens engines that this machine can run, to run their probes.
        clock: What `auto` reads times from.

    Raises:
        UsageError: An argument is wrong, or `exported` is not an export.
        BundleError: The export is damaged, or a target has no engine of a component that agrees with its probes.
        BuildError: A target's builder does not take a graph.
        PreflightError: What a target's builder needs is not here.
    """
    choosing = AUTO in targets
    if choosing and len(targets) > 1:
        raise UsageError(
            f"{AUTO} stands for every target of this machine, so it stands alone: received {', '.join(targets)}."
        )
    if not choosing and (unknown := [target for target in targets if target not in TARGETS]):
        raise UsageError(f"Unknown target {unknown[0]!r}; expected {AUTO} or one of: {', '.join(TARGETS)}.")
    source = Bundle.open(exported)
    if source.manifest.kind != "export":
        raise UsageError(f"{str(exported)!r} is a bundle already; expected an export, from latentlink export.")
    if Path(out).exists() and Path(out).samefile(exported):
        raise UsageError(f"{str(out)!r} is the export itself; expected another folder for the bundle.")
    check_links(source)
    options = options or Options()
    asked = targets_here(source.manifest, options) if choosing else targets
    chosen = tuple(target for target in TARGETS if target in asked)
    check_request(source.manifest, chosen, options)
    with replacing_directory(Path(out), is_ours=is_bundle) as folder:
        work = _Work(
            source=source,
            folder=folder,
            targets=chosen,
            shapes=shapes or Shapes(),
            options=options,
            told=told or Told(),
            opener=opener,
            clock=clock if choosing else None,
        )
        probes = take_probes(source, folder, chosen, work.shapes)
        components: dict[str, ComponentEntry] = {}
        for name, entry in source.manifest.components.items():
            follows = None if name != SHALLOW else {engine.target for engine in components["denoiser"].engines}
            engines, measured = work.engines(name, probes.get(name), follows)
            components[name] = replace(entry, engines=engines, measured=measured)
            if entry.tokenizer is not None:
                file = folder / entry.tokenizer.path
                file.parent.mkdir(parents=True)
                shutil.copyfile(source.file(entry.tokenizer.path), file)
        provenance = {**source.manifest.provenance, **work.remarks}
        return write_bundle(
            folder,
            replace(source.manifest, kind="bundle", components=components, provenance=provenance, files={}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A bundle that is being built; the arguments are those of `build_bundle`.

    Args:
        folder: Of the bundle.
        clock: What times are read from, where only the fastest target's engines are kept; None keeps all.
        remarks: For the manifest's provenance: engines that were left out, and why.
    """

    source: Bundle
    folder: Path
    targets: tuple[str, ...]
    shapes: Shapes
    options: Options
    told: Told
    opener: Opener
    clock: Clock | None
    remarks: dict[str, str] = field(default_factory=dict)

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def engines(
        self, name: str, probes: Probes | None, follows: Collection[str] | None
    ) -> tuple[tuple[EngineEntry, ...], Measured | None]:
        """A component's engines, the preferred one first, and what was measured to choose them.

        Args:
            name: The component.
            probes: Of it.
            follows: The only targets that it is needed for; None for all.

        Raises:
            BundleError: A target has none that agrees with the probes.
        """
        graphs = [*graphs_of(self.source, name, self.options.precision, self.scratch, self.told.on_precision)]
        names = [*self.source.manifest.components]
        for graph in graphs:
            check_gate(name, graph.precision, graph.parity)
        targets = [target for target in self.targets if follows is None or target in follows]
        count = len(names) * len(self.targets)
        built: dict[str, list[Tried]] = {}
        dropped: list[Candidate] = []
        for number, target in enumerate(targets):
            self.told.on_engine(names.index(name) * len(self.targets) + number, count, f"{name} for {target}")
            try:
                built[target] = self._of_target(name, target, graphs, probes)
            except (BuildError, BundleError) as error:
                if self.clock is None:
                    raise
                for kind in (target, *(f"{target}-{graph.precision}" for graph in graphs)):
                    shutil.rmtree(self.folder / "engines" / name / kind, ignore_errors=True)
                reason = "".join(letter for letter in error.message if letter.isprintable())[:MAX_TEXT]
                dropped.append(Candidate(target=target, precision=graphs[0].precision, reason=reason))
        if not built:
            raise BundleError(
                f"No engine of {name} was built: {'; '.join(f'{one.target}: {one.reason}' for one in dropped)}",
                remedy="Export it again.",
            )
        measured = None
        if self.clock is not None:
            openers = {
                target: partial(self.opener, self.folder / tried[0][0].path, target) for target, tried in built.items()
            }
            self.told.on_phase("timing its engines", 0)
            measured = contest(
                {target: tried[0] for target, tried in built.items()},
                dropped,
                openers,
                None if probes is None else probes.probes[0],
                ports=self.source.manifest.components[name].inputs,
                limits=limits_of(self.source.manifest, name, self.shapes, every=True),
                clock=self.clock,
            )
            best = measured.candidates[0].target
            for target in [target for target in built if target != best]:
                for engine, _ in built.pop(target):
                    shutil.rmtree((self.folder / engine.path).parent)
        shutil.rmtree(self.scratch, ignore_errors=True)
        return tuple(engine for tried in built.values() for engine, _ in tried), measured

    def _of_target(self, name: str, target: str, graphs: Sequence[Graph], probes: Probes | None) -> list[Tried]:
        """The engines of one target that agree with the probes, and how far.

        Raises:
            BundleError: None does.
        """
        entry = self.source.manifest.components[name]
        built: list[Tried] = []
        failed = []
        for graph in graphs:
            engine = self._build(name, target, graph, first=graph is graphs[0])
            fitting = None if probes is None else probes.within(engine.limits, entry.inputs)
            agreed = None if fitting is None else self._check(engine, graph, fitting)
            if agreed is None or agreed.passed:
                built.append((engine if agreed is None else _measured(engine, agreed, fitting), agreed))
                continue
            failed.append(agreed.said())
            self.remarks[f"left_out.{name}.{target}.{engine.precision}"] = agreed.said()
            shutil.rmtree((self.folder / engine.path).parent)
        if not built:
            raise BundleError(
                f"No engine built of {name} for {target} computes what its probes say: {'; '.join(failed)}.",
                remedy="Export it again, or build it in a wider precision; if that does not help, it is a fault of "
                "the builder: report it.",
            )
        return built

    def _build(self, name: str, target: str, graph: Graph, *, first: bool) -> EngineEntry:
        """One engine, written."""
        entry = self.source.manifest.components[name]
        limits = limits_of(self.source.manifest, name, self.shapes, every=TARGETS[target].profiles)
        kind = target if first else f"{target}-{graph.precision}"
        path = self.folder / "engines" / name / kind / TARGETS[target].file
        path.parent.mkdir(parents=True)
        builder = import_module(BUILDERS[target])
        facts = builder.build_engine(
            Job(
                target=target,
                component=name,
                precision=graph.precision,
                source=graph.path,
                out=path,
                inputs=entry.inputs,
                outputs=entry.outputs,
                limits=limits,
                options=self.options,
                on_phase=self.told.on_phase,
            )
        )
        return EngineEntry(
            target=target,
            precision=graph.precision,
            path=path.relative_to(self.folder).as_posix(),
            fingerprint=make_fingerprint(
                target=target,
                facts={
                    **facts,
                    "source": graph.source,
                    "ports": digest({"ports": [port.tensor for port in (*entry.inputs, *entry.outputs)]}),
                    "precision": graph.precision,
                    "limits": digest(limits),
                },
            ),
            limits=limits,
            parity=None if TARGETS[target].gpu and not is_quantised(graph.precision) else graph.parity,
        )

    def _check(self, engine: EngineEntry, graph: Graph, probes: Probes) -> Agreement | None:
        """Run an engine that was just built on its probes; None where it cannot run here.

        A graph that was converted and cannot run as this engine is run on the CPU, so that an overflow shows now: then
        only what does not agree is returned, as it says nothing of the engine.
        """
        if preflight(engine) is None:
            with self.opener(self.folder / engine.path, engine.target) as run:
                return probes.check(run, engine.precision)
        if graph.converted and graph.precision not in TARGETS["ort-cpu"].lacks:
            with open_on_cpu(graph.path, "ort-cpu") as run:
                found = probes.check(run, engine.precision, quick=True)
            return None if found.passed else found
        return None


def _measured(engine: EngineEntry, agreed: Agreement, probes: Probes | None) -> EngineEntry:
    """The engine with its own figures, where they are from the reference that the export's are from."""
    if is_quantised(engine.precision):
        gate = {key: value for key, value in (engine.parity or {}).items() if key.startswith(PREFIX)}
        return replace(engine, parity={**agreed.to_json("" if probes is None else probes.reference), **gate})
    reference = "" if probes is None else probes.reference
    same = engine.parity is None or engine.parity["reference"] == reference
    return replace(engine, parity=agreed.to_json(reference)) if same else engine
