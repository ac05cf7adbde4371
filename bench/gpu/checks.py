"""The checks of `bench.gpu`: each holds a target to one promise, on the demo models, and returns what it measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.cost.fresh import ProcessFailed, fresh
from latentlink.bench.gpu.memory import DeviceMemory
from latentlink.bench.gpu.perturb import write_perturbed
from latentlink.bench.gpu.report import Check, Figures
from latentlink.bench.gpu.subject import Failed, NotRun, Subject, draw, drawn, engines, opened
from latentlink.bench.gpu.trace import TRACES
from latentlink.engine.bundle import Arrays, Bundle
from latentlink.engine.graphs import graphs_of
from latentlink.engine.quality import psnr
from latentlink.engine.targets import TARGETS, Machine
from latentlink.engine.targets.ort_providers import CPU, PROVIDERS
from latentlink.errors import LatentLinkError, PreflightError
from latentlink.runtime.probing import runner
from latentlink.runtime.probing.verify import verify
from latentlink.runtime.sessions import OPENERS

LEAST_PSNR = 35.0
"""dB of every picture against the one of the CPU in float32."""

MOST_BYTES = 1024
"""Largest copy between host and device that a step may need: a row of coefficients, times the batch."""

RUNS = 5
"""Runs of an engine beside its CUDA graph: the first is plain, the second is captured, the others are replayed."""

MOST_GROWTH = 1.05
"""Times the device memory of all engines at once that engines in turns may take: demo engines are smaller than what
the driver itself takes, and that varies."""


def absent(target: str, machine: Machine) -> str:
    """Why a target cannot be built and run on a machine with a GPU; empty where it can."""
    needed = TARGETS[target]
    for package in (*needed.packages, *needed.runtime_packages):
        if machine.version(package) is None:
            return f"{package.title} is not installed: {package.install}."
    return "" if target in OPENERS else f"This version of latentlink does not open engines for {target}."


def build(subject: Subject) -> Figures:
    """The bundles that the others need; the one with other weights is built where it is checked."""
    began = perf_counter()
    made = [subject.bundle(model) for model in subject.models]
    files = [file for folder in made for file in folder.rglob("*") if file.is_file()]
    return {"seconds": perf_counter() - began, "mb": sum(file.stat().st_size for file in files) / 1e6}


def pictures(subject: Subject) -> Figures:
    """The same prompts and seeds give the pictures that the CPU draws in float32."""
    found = []
    for model in subject.models:
        wanted = drawn(model, "ort-cpu", subject)
        made = drawn(subject.bundle(model), subject.target, subject)
        found += [psnr(*pair) for pair in zip(wanted, made, strict=True)]
    figures = {"worst_db": min(found), "median_db": float(np.median(found)), "pictures": float(len(found))}
    if not min(found) >= LEAST_PSNR:
        raise Failed(f"A picture has {min(found):.1f} dB, expected at least {LEAST_PSNR:g}.", figures)
    return figures


def probes(subject: Subject) -> Figures:
    """Every engine computes what its probes say."""
    figures: dict[str, float | str] = {}
    wrong = []
    for model in subject.models:
        for checked in verify(Bundle.open(subject.bundle(model))):
            title = f"{model} {checked.component} {checked.precision}"
            if checked.agreement is not None:
                figures[f"{title} db"] = checked.agreement.psnr
            if checked.verdict != "passed":
                wrong.append(f"{title}: {checked.reason or checked.verdict}")
    worst = min((value for value in figures.values() if isinstance(value, float)), default=0.0)
    figures = {"worst_db": worst, **figures}
    if wrong:
        raise Failed("; ".join(wrong), figures)
    return figures


def placement(subject: Subject) -> Figures:
    """Where an engine is of several pieces, its nodes run on the GPU."""
    found: Counter[str] = Counter()
    for _, path, _ in engines(subject.bundle()):
        with opened(subject.target, path) as session:
            found.update(session.placement())
    if not found:
        raise NotRun(f"An engine for {subject.target} is one piece.")
    figures = {f"{provider} nodes": float(count) for provider, count in found.most_common()}
    if TARGETS[subject.target].gpu and set(found) <= {CPU}:
        raise Failed(f"All {found.total()} nodes run on the CPU.", figures)
    return figures


def graphs(subject: Subject) -> Figures:
    """Replaying a CUDA graph gives the bits of a plain run, for every component."""
    if subject.target in PROVIDERS and not PROVIDERS[subject.target].graphs:
        raise NotRun(f"No CUDA graphs are captured for {subject.target}.")
    figures: dict[str, float | str] = {"components": 0.0}
    for component, path, inputs in engines(subject.bundle()):
        with opened(subject.target, path, graphs=False) as session:
            plain = [runner(session)(given) for given in inputs]
        with opened(subject.target, path, graphs=True) as session:
            replayed = [[runner(session)(given) for _ in range(RUNS)] for given in inputs]
            captured = session.captured
        if not captured:
            raise Failed(f"No CUDA graph of {component} was captured.", figures)
        if not all(_equal(one, wanted) for several, wanted in zip(replayed, plain, strict=True) for one in several):
            raise Failed(f"Replaying the CUDA graph of {component} does not give the bits of a plain run.", figures)
        figures["components"] = float(figures["components"]) + 1
    return figures


def refit(subject: Subject) -> Figures:
    """Weights replaced by others change the output, and replaced by their own give the first output's bits."""
    if "refit" not in TARGETS[subject.target].options:
        raise NotRun(f"Weights of an open engine for {subject.target} cannot be replaced.")
    figures: dict[str, float | str] = {"components": 0.0}
    source = Bundle.open(subject.material.export("demo"))
    for component, path, inputs in engines(subject.bundle(refit=True)):
        with TemporaryDirectory() as folder, opened(subject.target, path) as session:
            scratch = Path(folder)
            graph = next(graphs_of(source, component, subject.precision, scratch / "own"))
            other = scratch / "other" / graph.path.name
            other.parent.mkdir()
            write_perturbed(graph.path, other)
            run = runner(session)
            first = [run(given) for given in inputs]
            session.refit(other)
            second = [run(given) for given in inputs]
            session.refit(graph.path)
            third = [run(given) for given in inputs]
        if any(_equal(*pair) for pair in zip(first, second, strict=True)):
            raise Failed(f"{component} computes the same with other weights.", figures)
        if not all(_equal(*pair) for pair in zip(first, third, strict=True)):
            raise Failed(f"{component} with its own weights again does not give the first output's bits.", figures)
        figures["components"] = float(figures["components"]) + 1
    return figures


def copies(subject: Subject) -> Figures:
    """What a longer run copies between host and device beyond a shorter one is a row of numbers a step."""
    figures: dict[str, float | str] = {}
    lacking = []
    with latentlink.load(subject.bundle(), target=subject.target) as pipe:
        short, long = (partial(draw, pipe, replace(subject, pictures=1, steps=steps)) for steps in (4, 8))
        long()  # what happens once, such as capturing graphs, happens now
        for name, trace in TRACES.items():
            try:
                fewer, more = trace(short), trace(long)
            except PreflightError as error:
                lacking.append(str(error))
                continue
            extra = more - fewer
            if not more:
                lacking.append(f"The {name} trace does not see what {subject.target} copies.")
                continue
            largest = max((size for _, size in extra), default=0)
            figures |= {f"{name}_largest_bytes": float(largest), f"{name}_copies_a_step": extra.total() / 4}
            if not extra:
                raise Failed(
                    f"The {name} trace shows no copy in four steps; expected a row of numbers in each.", figures
                )
            if largest > MOST_BYTES:
                raise Failed(
                    f"A step copies {largest} bytes between host and device; expected at most {MOST_BYTES} (the {name} "
                    "trace).",
                    figures,
                )
    if not figures:
        raise NotRun(" ".join(lacking))
    return figures


def memory(subject: Subject) -> Figures:
    """Engines that take turns on the GPU draw the same pictures in less memory."""
    bundle = subject.bundle()
    sizes = [path.parent for _, path, _ in engines(bundle)]
    largest = max(sum(file.stat().st_size for file in folder.iterdir()) for folder in sizes)
    whole, first = fresh(_peak, bundle, subject, None)
    turns, again = fresh(_peak, bundle, subject, largest)
    figures: dict[str, float | str] = {"peak_mb": whole / 1e6, "in_turns_mb": turns / 1e6, "budget_mb": largest / 1e6}
    apart = [fresh(_activations, bundle, component, subject.target) for component, _, _ in engines(bundle)]
    if any(apart):
        figures |= {"activations_shared_mb": max(apart) / 1e6, "activations_apart_mb": sum(apart) / 1e6}
    if not all(np.array_equal(*pair) for pair in zip(first, again, strict=True)):
        raise Failed("Engines that take turns draw other pictures.", figures)
    if turns > MOST_GROWTH * whole:
        raise Failed(f"In turns the peak is {turns / 1e6:.0f} MB, expected at most {whole / 1e6:.0f} MB.", figures)
    return figures


CHECKS: Mapping[str, Callable[[Subject], Figures]] = {
    "build": build,
    "pictures": pictures,
    "probes": probes,
    "placement": placement,
    "graphs": graphs,
    "refit": refit,
    "copies": copies,
    "memory": memory,
}
"""In the order they run; where the first does not pass, the others are not run."""


def run_check(name: str, subject: Subject) -> Check:
    """One check; whatever goes wrong is its verdict."""
    head = _head(name, subject)
    try:
        return replace(head, verdict="passed", figures=CHECKS[name](subject))
    except NotRun as error:
        return replace(head, reason=str(error))
    except Failed as error:
        return replace(head, verdict="failed", reason=str(error), figures=error.figures)
    except LatentLinkError as error:
        return replace(head, verdict="failed", reason=str(error))
    except Exception as error:
        return replace(head, verdict="failed", reason=f"{type(error).__name__}: {error}")


def run_checks(subjects: Sequence[Subject], machine: Machine) -> Iterator[Check]:
    """Every check of every subject, each in a process of its own.

    Args:
        subjects: In this order.
        machine: With a GPU.
    """
    for subject in subjects:
        why_not = absent(subject.target, machine)
        for name in CHECKS:
            if why_not:
                yield replace(_head(name, subject), reason=why_not)
                continue
            try:
                check = fresh(run_check, name, subject)
            except ProcessFailed as error:
                check = replace(_head(name, subject), verdict="failed", reason=str(error))
            if name == "build" and check.verdict != "passed":
                why_not = "Its bundles were not built."
            yield check


def _head(name: str, subject: Subject) -> Check:
    return Check(name=name, target=subject.target, precision=subject.precision, verdict="not run")


def _equal(one: Arrays, other: Arrays) -> bool:
    """Whether the bits are equal."""
    return all(array.tobytes() == other[name].tobytes() for name, array in one.items())


def _peak(bundle: Path, subject: Subject, engine_memory: int | None) -> tuple[int, list[NDArray[np.uint8]]]:
    """Device memory that opening and drawing take, and what is drawn."""
    made: list[NDArray[np.uint8]] = []
    settings = {} if engine_memory is None else {"engine_memory": engine_memory}
    peak = DeviceMemory().peak(lambda: made.extend(drawn(bundle, subject.target, subject, **settings)))
    return peak, made


def _activations(bundle: Path, wanted: str, target: str) -> int:
    """Bytes that a component's activations take on its probes, where engines share them; 0 where they do not."""
    from latentlink.runtime.sessions.gpu.cuda import this_gpu

    for component, path, inputs in engines(bundle):
        if component == wanted:
            with opened(target, path) as session:
                for given in inputs:
                    runner(session)(given)
                try:
                    return this_gpu().activations(0)[1]
                except PreflightError:  # no cuda-python, so that no session went through it
                    return 0
    return 0
