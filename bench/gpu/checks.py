"""The checks of `bench.gpu`: each tests one property of a target on the demo models and returns its measurements."""

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
from latentlink.bench.cost import run_in_new_process
from latentlink.bench.gpu.findings import Check, Figures
from latentlink.bench.gpu.memory import DeviceMemory
from latentlink.bench.gpu.perturb import write_perturbed
from latentlink.bench.gpu.subject import CheckFailed, CheckNotRun, Subject, draw, engines, open_and_draw, open_engine
from latentlink.bench.gpu.trace import TRACES
from latentlink.engine.bundle import Arrays, Bundle
from latentlink.engine.quality import psnr
from latentlink.engine.targets import TARGETS, Machine
from latentlink.engine.targets.ort_providers import CPU, PROVIDERS
from latentlink.errors import LatentLinkError, PreflightError
from latentlink.runtime.probing import runner
from latentlink.runtime.probing.verify import verify
from latentlink.runtime.sessions import OPENERS

LEAST_PSNR = 35.0
"""Minimum PSNR of every picture against the CPU's in float32, in dB."""

MOST_BYTES = 1024
"""Maximum size of a copy between host and device in a step, in bytes: a row of coefficients, times the batch."""

RUNS = 5
"""Runs of an engine with CUDA graphs: the first is plain, the second is captured, the others are replayed."""

MOST_GROWTH = 1.05
"""Maximum ratio of device memory with engines in turns to all engines at once: demo engines are smaller than the
driver's own memory, which varies."""


def missing_reason(target: str, machine: Machine) -> str:
    """Why a target cannot be built and run on a machine with a GPU; empty if it can."""
    needed = TARGETS[target]
    for package in (*needed.packages, *needed.runtime_packages):
        if machine.version(package) is None:
            return f"{package.title} is not installed: {package.install}."
    return "" if target in OPENERS else f"This version of latentlink does not open engines for {target}."


def build(subject: Subject) -> Figures:
    """The bundles for the other checks can be built; the refittable one is built in its check."""
    began = perf_counter()
    made = [subject.bundle(model) for model in subject.models]
    files = [file for folder in made for file in folder.rglob("*") if file.is_file()]
    return {"seconds": perf_counter() - began, "mb": sum(file.stat().st_size for file in files) / 1e6}


def pictures(subject: Subject) -> Figures:
    """The same prompts and seeds give the same pictures as on the CPU in float32."""
    found = []
    for model in subject.models:
        wanted = open_and_draw(model, "ort-cpu", subject)
        made = open_and_draw(subject.bundle(model), subject.target, subject)
        found += [psnr(*pair) for pair in zip(wanted, made, strict=True)]
    figures = {"worst_db": min(found), "median_db": float(np.median(found)), "pictures": float(len(found))}
    if not min(found) >= LEAST_PSNR:
        raise CheckFailed(f"A picture has {min(found):.1f} dB, expected at least {LEAST_PSNR:g}.", figures)
    return figures


def probes(subject: Subject) -> Figures:
    """Every engine agrees with its probes."""
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
        raise CheckFailed("; ".join(wrong), figures)
    return figures


def placement(subject: Subject) -> Figures:
    """If an engine consists of several nodes, they run on the GPU."""
    found: Counter[str] = Counter()
    for _, path, _ in engines(subject.bundle()):
        with open_engine(subject.target, path) as session:
            found.update(session.placement())
    if not found:
        raise CheckNotRun(f"An engine for {subject.target} is a single unit.")
    figures = {f"{provider} nodes": float(count) for provider, count in found.most_common()}
    if TARGETS[subject.target].gpu and set(found) <= {CPU}:
        raise CheckFailed(f"All {found.total()} nodes run on the CPU.", figures)
    return figures


def graphs(subject: Subject) -> Figures:
    """For every component, replaying a CUDA graph gives exactly the result of a plain run."""
    if subject.target in PROVIDERS and not PROVIDERS[subject.target].graphs:
        raise CheckNotRun(f"No CUDA graphs are captured for {subject.target}.")
    figures: dict[str, float | str] = {"components": 0.0}
    for component, path, inputs in engines(subject.bundle()):
        with open_engine(subject.target, path, graphs=False) as session:
            plain = [runner(session)(arrays) for arrays in inputs]
        with open_engine(subject.target, path, graphs=True) as session:
            replayed = [[runner(session)(arrays) for _ in range(RUNS)] for arrays in inputs]
            captured = session.captured
        if not captured:
            raise CheckFailed(f"No CUDA graph of {component} was captured.", figures)
        if not all(_equal(one, wanted) for several, wanted in zip(replayed, plain, strict=True) for one in several):
            raise CheckFailed(
                f"Replaying the CUDA graph of {component} does not give the bits of a plain run.", figures
            )
        figures["components"] = float(figures["components"]) + 1
    return figures


def refit(subject: Subject) -> Figures:
    """Other weights change the output, and the original weights restore it exactly."""
    if "refit" not in TARGETS[subject.target].options:
        raise CheckNotRun(f"Weights of an open engine for {subject.target} cannot be replaced.")
    figures: dict[str, float | str] = {"components": 0.0}
    source = Bundle.open(subject.material.export("demo"))
    for component, path, inputs in engines(subject.bundle(refit=True)):
        with TemporaryDirectory() as folder, open_engine(subject.target, path) as session:
            scratch = Path(folder)
            from latentlink.engine.graphs import graphs_of

            graph = next(graphs_of(source, component, subject.precision, scratch / "own"))
            other = scratch / "other" / graph.path.name
            other.parent.mkdir()
            write_perturbed(graph.path, other)
            run = runner(session)
            first = [run(arrays) for arrays in inputs]
            session.refit(other)
            second = [run(arrays) for arrays in inputs]
            session.refit(graph.path)
            third = [run(arrays) for arrays in inputs]
        if any(_equal(*pair) for pair in zip(first, second, strict=True)):
            raise CheckFailed(f"{component} computes the same with other weights.", figures)
        if not all(_equal(*pair) for pair in zip(first, third, strict=True)):
            raise CheckFailed(f"{component} with its own weights again does not give the first output's bits.", figures)
        figures["components"] = float(figures["components"]) + 1
    return figures


def copies(subject: Subject) -> Figures:
    """Each further step copies no more than a row of numbers between host and device."""
    figures: dict[str, float | str] = {}
    lacking = []
    with latentlink.load(subject.bundle(), target=subject.target, verify=False) as pipe:
        short, long = (partial(draw, pipe, replace(subject, pictures=1, steps=steps)) for steps in (4, 8))
        long()  # so that one-time work, such as capturing graphs, is done
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
                raise CheckFailed(
                    f"The {name} trace shows no copy in four steps; expected a row of numbers in each.", figures
                )
            if largest > MOST_BYTES:
                raise CheckFailed(
                    f"A step copies {largest} bytes between host and device; expected at most {MOST_BYTES} (the {name} "
                    "trace).",
                    figures,
                )
    if not figures:
        raise CheckNotRun(" ".join(lacking))
    return figures


def memory(subject: Subject) -> Figures:
    """Engines that take turns on the GPU draw the same pictures with less memory."""
    bundle = subject.bundle()
    sizes = [path.parent for _, path, _ in engines(bundle)]
    largest = max(sum(file.stat().st_size for file in folder.iterdir()) for folder in sizes)
    whole, first = run_in_new_process(_peak, bundle, subject, None)
    turns, again = run_in_new_process(_peak, bundle, subject, largest)
    figures: dict[str, float | str] = {"peak_mb": whole / 1e6, "in_turns_mb": turns / 1e6, "budget_mb": largest / 1e6}
    apart = [run_in_new_process(_activations, bundle, component, subject.target) for component, _, _ in engines(bundle)]
    if any(apart):
        figures |= {"activations_shared_mb": max(apart) / 1e6, "activations_apart_mb": sum(apart) / 1e6}
    if not all(np.array_equal(*pair) for pair in zip(first, again, strict=True)):
        raise CheckFailed("Engines that take turns draw other pictures.", figures)
    if turns > MOST_GROWTH * whole:
        raise CheckFailed(f"In turns the peak is {turns / 1e6:.0f} MB, expected at most {whole / 1e6:.0f} MB.", figures)
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
"""Checks in the order they run; if the first does not pass, the others are not run."""


def run_check(name: str, subject: Subject) -> Check:
    """Run one check; any error becomes its verdict."""
    return judged(_head(name, subject), partial(CHECKS[name], subject))


def judged(head: Check, check: Callable[[], Figures]) -> Check:
    """What a check finds; any error becomes its verdict."""
    try:
        return replace(head, verdict="passed", figures=check())
    except CheckNotRun as error:
        return replace(head, reason=str(error))
    except CheckFailed as error:
        return replace(head, verdict="failed", reason=str(error), figures=error.figures)
    except LatentLinkError as error:
        return replace(head, verdict="failed", reason=str(error))
    except Exception as error:
        return replace(head, verdict="failed", reason=f"{type(error).__name__}: {error}")


def run_checks(subjects: Sequence[Subject], machine: Machine) -> Iterator[Check]:
    """Run every check of every subject, each in its own process.

    Args:
        subjects: Subjects, in order.
        machine: Machine with a GPU.
    """
    for subject in subjects:
        why_not = missing_reason(subject.target, machine)
        for name in CHECKS:
            if why_not:
                yield replace(_head(name, subject), reason=why_not)
                continue
            try:
                check = run_in_new_process(run_check, name, subject)
            except LatentLinkError as error:
                check = replace(_head(name, subject), verdict="failed", reason=str(error))
            if name == "build" and check.verdict != "passed":
                why_not = "Its bundles were not built."
            yield check


def _head(name: str, subject: Subject) -> Check:
    return Check(name=name, target=subject.target, precision=subject.precision, verdict="not run")


def _equal(one: Arrays, other: Arrays) -> bool:
    """Whether all arrays are equal bit by bit."""
    return all(array.tobytes() == other[name].tobytes() for name, array in one.items())


def _peak(bundle: Path, subject: Subject, engine_memory: int | None) -> tuple[int, list[NDArray[np.uint8]]]:
    """Peak device memory of opening and drawing, and the pictures."""
    made: list[NDArray[np.uint8]] = []
    settings = {} if engine_memory is None else {"engine_memory": engine_memory}
    peak = DeviceMemory().peak(lambda: made.extend(open_and_draw(bundle, subject.target, subject, **settings)))
    return peak, made


def _activations(bundle: Path, component_name: str, target: str) -> int:
    """Bytes of a component's activations on its probes if engines share them; 0 if they do not."""
    from latentlink.runtime.sessions.gpu.cuda import this_gpu

    for component, path, inputs in engines(bundle):
        if component == component_name:
            with open_engine(target, path) as session:
                for arrays in inputs:
                    runner(session)(arrays)
                try:
                    return this_gpu().activations(0)[1]
                except PreflightError:  # there is no cuda-python, so no session used it
                    return 0
    return 0
