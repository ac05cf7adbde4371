"""`--target auto`: which targets this machine can build and run, and which of a component's engines is fastest on it.

Engines are timed in turns, so that other load on the machine affects all of them. One is open at a time: two engines of
true size do not fit into the memory of a small machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import TypeAlias

from latentlink.engine.build_report import SkippedTarget
from latentlink.engine.builders import BuildOptions
from latentlink.engine.bundle import (
    Arrays,
    ComparedEngine,
    EngineComparison,
    EngineEntry,
    Manifest,
    Probe,
    RunEngine,
    SizeLimits,
)
from latentlink.engine.bundle.probes import tile
from latentlink.engine.feasible import Obstacle, check_feasible, obstacles
from latentlink.engine.graphs import precision_of
from latentlink.engine.quality import Agreement
from latentlink.engine.targets import TARGETS, Finding, make_fingerprint, preflight, this_machine
from latentlink.errors import PreflightError
from latentlink.ports import Port
from latentlink.processors import processors

AUTO = "auto"
"""The target that stands for all targets of this machine."""

ROUNDS = 2
"""How often every engine is opened and timed."""

MIN_RUNS, MAX_RUNS, SECONDS = 3, 50, 0.5
"""Timed runs of an engine in a round: as many as fit into `SECONDS`, within these bounds."""

Clock: TypeAlias = Callable[[], float]
"""Seconds since an arbitrary moment."""

BoundOpener: TypeAlias = Callable[[], AbstractContextManager[RunEngine]]
"""Opens one engine; it can be run until the block ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEngine:
    """An engine that was built.

    Args:
        engine: Its record.
        agreement: How well it agrees with its probes; None if they were not run.
    """

    engine: EngineEntry
    agreement: Agreement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTargets:
    """The targets that `auto` stands for.

    Args:
        targets: Those whose engines this machine can build and run, in the order of `TARGETS`; at least one.
        skipped: The others.
    """

    targets: tuple[str, ...]
    skipped: tuple[SkippedTarget, ...]


def find_targets(manifest: Manifest, options: BuildOptions) -> AutoTargets:
    """Find the targets whose engines this machine can build, with these options, and run.

    Args:
        manifest: Manifest of the export.
        options: What the user chose.

    Raises:
        UsageError: The precision is unknown.
        PreflightError: There is no such target.
    """
    check_feasible(manifest, (), BuildOptions(precision=options.precision))
    skipped = tuple(
        SkippedTarget(target=name, reason=reason)
        for name in TARGETS
        if (reason := _obstacle(name, manifest, options)) is not None
    )
    targets = tuple(name for name in TARGETS if name not in {one.target for one in skipped})
    if not targets:
        reasons = "; ".join(f"{one.target}: {one.summary()}" for one in skipped if not TARGETS[one.target].gpu)
        raise PreflightError(
            f"No target can be built and run on this machine with these options. {reasons}.",
            remedy="Leave the options or the precision out, or name the target of another machine.",
        )
    return AutoTargets(targets=targets, skipped=skipped)


def _obstacle(name: str, manifest: Manifest, options: BuildOptions) -> Finding | Obstacle | None:
    """Why a target's engines cannot run here, or cannot be built; None if they can."""
    for entry in manifest.components.values():
        engine = EngineEntry(
            target=name,
            precision=precision_of(entry, options.precision),
            path=TARGETS[name].file,
            fingerprint=make_fingerprint(target=name, facts={}),
        )
        if finding := preflight(engine):
            return finding
    return next(obstacles(manifest, (name,), options), None)


def compare_engines(
    built: Mapping[str, BuiltEngine],
    dropped: Sequence[ComparedEngine],
    openers: Mapping[str, BoundOpener],
    probe: Probe | None,
    *,
    ports: Sequence[Port],
    limits: SizeLimits,
    clock: Clock,
) -> EngineComparison:
    """Find the fastest of a component's engines, on a probe that is tiled to the best sizes.

    Args:
        built: The preferred engine of every target, in the order of `TARGETS`; at least one.
        dropped: Engines that are not good enough.
        openers: By target, what opens its engine.
        probe: One of the component's; None keeps the order and times nothing.
        ports: The component's inputs.
        limits: Size range of every free dimension.
        clock: Clock to time with.

    Raises:
        BundleError: An engine fails.
    """
    seconds: dict[str, float] = {}
    sizes = {dim: best for dim, (_, best, _) in limits.items()}
    if probe is not None:
        inputs = {port.tensor: tile(probe.inputs[port.tensor], port, sizes) for port in ports}
        seconds = time_engines(openers, inputs, clock)
    compared = [_compared(built[target], seconds.get(target)) for target in seconds or built]
    return EngineComparison(on=_machine_title(), sizes=sizes if seconds else {}, candidates=(*compared, *dropped))


def _compared(built: BuiltEngine, seconds: float | None) -> ComparedEngine:
    agreement = built.agreement
    return ComparedEngine(
        target=built.engine.target,
        precision=built.engine.precision,
        seconds=seconds,
        psnr=agreement.psnr if agreement is not None and isfinite(agreement.psnr) else None,
        worst=None if agreement is None else agreement.worst,
    )


def time_engines(openers: Mapping[str, BoundOpener], inputs: Arrays, clock: Clock) -> dict[str, float]:
    """Time engines in turns.

    Args:
        openers: By target, what opens its engine.
        inputs: Inputs of every run.
        clock: Clock to time with.

    Returns:
        By target the median seconds of one run over all rounds; the fastest first.

    Raises:
        BundleError: An engine fails.
    """
    all_times: dict[str, list[float]] = {name: [] for name in openers}
    for number in range(ROUNDS):
        for name in [*openers][:: -1 if number % 2 else 1]:
            with openers[name]() as run:
                run(inputs)  # allocates memory and packs weights for this size
                times: list[float] = []
                while len(times) < MIN_RUNS or (sum(times) < SECONDS and len(times) < MAX_RUNS):
                    before = clock()
                    run(inputs)
                    times.append(clock() - before)
            all_times[name] += times
    return dict(sorted(((name, median(times)) for name, times in all_times.items()), key=lambda pair: pair[1]))


def _machine_title() -> str:
    """This machine for a table of times: its processor, how many processors this process may use, its GPU."""
    machine = this_machine()
    gpu = f", {machine.gpus[0].name}" if machine.gpus else ""
    return f"{machine.processor or machine.architecture}, {processors()} processors{gpu}"
