"""`--target auto`: which targets this machine can build and run, and which of a component's engines is fastest here.

Engines are run in turns, so that whatever else the machine does falls on all of them, and one is open at a time: two of
true size do not fit into the memory of a small machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from math import isfinite
from statistics import median
from typing import TypeAlias

from latentlink.engine.builders import Options, Range
from latentlink.engine.bundle import Arrays, EngineEntry, Manifest, Measured, Probe, Run
from latentlink.engine.bundle.manifest import Candidate
from latentlink.engine.bundle.probes import tiled
from latentlink.engine.feasible import check_request
from latentlink.engine.graphs import precision_of
from latentlink.engine.quality import Agreement
from latentlink.engine.targets import TARGETS, make_fingerprint, preflight, this_machine
from latentlink.errors import LatentLinkError, PreflightError
from latentlink.ports import Port

AUTO = "auto"
"""What stands for the targets that this machine has."""

ROUNDS = 2
"""Times that every engine is opened."""

LEAST, MOST, SECONDS = 3, 50, 0.5
"""Runs that are timed in a round: as many as fit into these seconds, of those that take milliseconds."""

Clock: TypeAlias = Callable[[], float]
"""Seconds from whenever."""

Tried: TypeAlias = tuple[EngineEntry, Agreement | None]
"""An engine that was built and how far it agrees with its probes; None where it did not run."""

Opening: TypeAlias = Callable[[], AbstractContextManager[Run]]
"""Opens an engine, to be run until the block ends."""


def targets_here(manifest: Manifest, options: Options) -> tuple[str, ...]:
    """Targets whose engines this machine can build, with these options, and run.

    Args:
        manifest: Of the export.
        options: What the user chose.

    Raises:
        UsageError: The precision is not known.
        PreflightError: There is none.
    """
    check_request(manifest, (), Options(precision=options.precision))
    reasons = {name: _missing(name, manifest, options) for name in TARGETS}
    found = tuple(name for name, reason in reasons.items() if not reason)
    if not found:
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if not TARGETS[name].gpu)
        raise PreflightError(
            f"No target can be built and run here as asked for. {told}.",
            remedy="Leave the options or the precision out, or name the target of another machine.",
        )
    return found


def _missing(name: str, manifest: Manifest, options: Options) -> str:
    """What a target lacks here; empty where it lacks nothing."""
    for entry in manifest.components.values():
        engine = EngineEntry(
            target=name,
            precision=precision_of(entry, options.precision),
            path=TARGETS[name].file,
            fingerprint=make_fingerprint(target=name, facts={}),
        )
        if finding := preflight(engine):
            return finding.reason()
    try:
        check_request(manifest, (name,), options)
    except LatentLinkError as error:
        return error.message.rstrip(".")
    return ""


def contest(
    built: Mapping[str, Tried],
    dropped: Sequence[Candidate],
    openers: Mapping[str, Opening],
    probe: Probe | None,
    *,
    ports: Sequence[Port],
    limits: Mapping[str, Range],
    clock: Clock,
) -> Measured:
    """Find the fastest of a component's engines, on a probe repeated side by side to the best sizes.

    Args:
        built: By target, in the order of `TARGETS`, its preferred engine. At least one.
        dropped: What was not good enough.
        openers: By target, what opens that engine.
        probe: One of the component's; None keeps the order.
        ports: The component's inputs.
        limits: (smallest, best, largest) size of every free dimension.
        clock: What times are read from.

    Raises:
        BundleError: An engine fails.
    """
    seconds: dict[str, float] = {}
    sizes = {dim: best for dim, (_, best, _) in limits.items()}
    if probe is not None:
        seconds = race(openers, {port.tensor: tiled(probe.inputs[port.tensor], port, sizes) for port in ports}, clock)
    found = [
        Candidate(
            target=target,
            precision=engine.precision,
            seconds=seconds.get(target),
            psnr=agreed.psnr if agreed is not None and isfinite(agreed.psnr) else None,
            worst=None if agreed is None else agreed.worst,
        )
        for target in seconds or built
        for engine, agreed in (built[target],)
    ]
    return Measured(on=_told_machine(), sizes=sizes if seconds else {}, candidates=(*found, *dropped))


def race(openers: Mapping[str, Opening], inputs: Arrays, clock: Clock) -> dict[str, float]:
    """Time engines in turns.

    Args:
        openers: By target, what opens its engine.
        inputs: Of every run.
        clock: What times are read from.

    Returns:
        Seconds of one run by target, the median of all rounds; the least first.

    Raises:
        BundleError: An engine fails.
    """
    taken: dict[str, list[float]] = {name: [] for name in openers}
    for number in range(ROUNDS):
        for name in [*openers][:: -1 if number % 2 else 1]:
            with openers[name]() as run:
                run(inputs)  # memory is laid out and weights are packed for this size
                times: list[float] = []
                while len(times) < LEAST or (sum(times) < SECONDS and len(times) < MOST):
                    before = clock()
                    run(inputs)
                    times.append(clock() - before)
            taken[name] += times
    return dict(sorted(((name, median(times)) for name, times in taken.items()), key=lambda pair: pair[1]))


def _told_machine() -> str:
    """This machine, as a table of times names it: its processor, how many of it this process may use, its GPU."""
    machine = this_machine()
    gpu = f", {machine.gpus[0].name}" if machine.gpus else ""
    return f"{machine.processor or machine.architecture}, {len(os.sched_getaffinity(0))} processors{gpu}"
