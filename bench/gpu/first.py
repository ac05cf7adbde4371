"""The first ten minutes on an unknown GPU: short checks, what tells most comes first, each with a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentlink.bench.cost import run_within
from latentlink.bench.gpu.checks import judged, missing_reason, run_check
from latentlink.bench.gpu.findings import Check, Figures
from latentlink.bench.gpu.material import Material
from latentlink.bench.gpu.subject import CheckFailed, CheckNotRun, Subject, engines, open_engine
from latentlink.engine.targets import TARGETS, Machine
from latentlink.errors import LatentLinkError, PreflightError

if TYPE_CHECKING:
    from latentlink.runtime.sessions.gpu.cuda import Cuda

MINUTES = 10.0
"""Time for everything; what has not begun by then is not run."""

ORDER = ("tensorrt-rtx", "tensorrt", "ort-cuda", "ort-tensorrt", "ort-nv-rtx")
"""Targets, those whose engines can be carried along before those that are built on the GPU."""

CHECKS = ("build", "pictures", "graphs", "copies")
"""Checks of every target (`latentlink.bench.gpu.checks`); if the first does not pass, the others are not run."""

REPEATS = 20
"""Rounds of the checks of CUDA."""

PIECE = 64 << 20
"""Bytes that these allocate and copy."""


class Step(NamedTuple):
    """One step of the plan.

    Args:
        head: Name, target and precision of what is found.
        seconds: Time limit.
        check: Returns the finding, in a process of its own.
    """

    head: Check
    seconds: float
    check: Callable[[], Check]


def plan(machine: Machine, material: Material) -> Iterator[Step]:
    """The steps in order.

    Args:
        machine: Machine with a GPU.
        material: Source of bundles; those that its folder has are not built again.
    """
    yield _step("device", "", 60, partial(device, machine))
    yield _step("cuda", "", 60, cuda)
    for target in ORDER:
        subject = Subject(material=material, target=target, precision="fp16", models=("demo",), pictures=1, steps=10)
        for name in CHECKS:
            head = Check(name=name, target=target, precision="fp16", verdict="not run")
            yield Step(head, 120, partial(run_check, name, subject))
    yield _step("other-gpu", "tensorrt-rtx", 60, partial(other_gpu, machine, material))


def run_first(machine: Machine, material: Material, minutes: float = MINUTES) -> Iterator[Check]:
    """Run the plan; every step has a finding, whatever happens in it.

    Args:
        machine: Machine with a GPU.
        material: As for `plan`.
        minutes: Time for everything.
    """
    end = perf_counter() + 60 * minutes
    unbuilt: set[str] = set()
    for step in plan(machine, material):
        target, left = step.head.target, end - perf_counter()
        why_not = missing_reason(target, machine) if target else ""
        if target in unbuilt:
            why_not = "Its bundles were not built."
        if left <= 0:
            why_not = f"The {minutes:g} minutes were over."
        if why_not:
            yield replace(step.head, reason=why_not)
            continue
        try:
            found = run_within(min(step.seconds, left), step.check)
        except LatentLinkError as error:
            found = replace(step.head, verdict="failed", reason=str(error))
        if step.head.name == "build" and found.verdict != "passed":
            unbuilt.add(target)
        yield found


def device(machine: Machine) -> Figures:
    """The driver, the GPU, and the packages that are installed."""
    gpu = machine.gpus[0]
    driver = "none" if machine.driver is None else "CUDA {}.{}".format(*machine.driver)
    return {
        "gpu": gpu.name,
        "compute_capability": "{}.{}".format(*gpu.capability),
        "memory_mb": gpu.memory / 1e6,
        "driver": driver,
        **dict(sorted(machine.versions.items())),
    }


def cuda() -> Figures:
    """CUDA without TensorRT: allocations, copies, a captured graph, and memory that stays in the pool."""
    from latentlink.runtime.sessions.gpu.cuda import this_gpu

    gpu = this_gpu()
    gpu.join()
    try:
        return _cuda(gpu)
    finally:
        gpu.leave()


def _cuda(gpu: Cuda) -> Figures:
    from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer

    values = np.arange(PIECE // 4, dtype=np.float32)

    def allocate() -> None:
        DeviceBuffer(gpu, values.shape, values.dtype)
        gpu.synchronize()

    first, *next_ones = _seconds(allocate, REPEATS)
    one, two = (DeviceBuffer(gpu, values.shape, values.dtype) for _ in range(2))

    def upload() -> None:
        one.write(values)
        gpu.synchronize()

    def copy() -> bool:
        two.copy_from(one)
        return True

    def copy_and_wait() -> None:
        copy()
        gpu.synchronize()

    figures: dict[str, float | str] = {
        "first_buffer_ms": 1e3 * first,
        "next_buffer_ms": 1e3 * min(next_ones),
        "to_device_gb_s": PIECE / min(_seconds(upload, REPEATS)) / 1e9,
        "in_device_gb_s": 2 * PIECE / min(_seconds(copy_and_wait, REPEATS)) / 1e9,
        "to_host_gb_s": PIECE / min(_seconds(two.numpy, REPEATS)) / 1e9,
    }
    if not np.array_equal(two.numpy(), values):
        raise CheckFailed("Values that were copied to the device and back are others.", figures)
    one.write(values + 1)
    graph = gpu.capture(copy)
    if graph is None:
        raise CheckFailed("A copy cannot be captured as a graph.", figures)

    def launch() -> None:
        gpu.launch(graph)
        gpu.synchronize()

    before = two.numpy()[0]
    figures["launch_ms"] = 1e3 * min(_seconds(launch, REPEATS))
    after = two.numpy()[0]
    gpu.destroy(graph)
    if (before, after) != (0, 1):
        raise CheckFailed(f"A graph that replaces 0 by 1 left {before:g}, and then {after:g}.", figures)
    return figures


def other_gpu(machine: Machine, material: Material) -> Figures:
    """What TensorRT for RTX says of an engine that is for GPUs of another kind."""
    here = "{}.{}".format(*machine.gpus[0].capability)
    kind = next(one for one in TARGETS["tensorrt-rtx"].kinds if one != here)
    bundle = material.bundle("demo", "tensorrt-rtx", "fp16", options=("--compute-capability", kind))
    for component, path, _ in engines(bundle):
        try:
            with open_engine("tensorrt-rtx", path):
                raise CheckFailed(f"An engine of {component} for {kind} opens on {here}.", {"for": kind})
        except PreflightError as error:
            return {"for": kind, "words": str(error)}
    raise CheckNotRun("The bundle has no engine.")


def _seconds(do: Callable[[], object], times: int) -> list[float]:
    """Seconds of each call."""
    found = []
    for _ in range(times):
        began = perf_counter()
        do()
        found.append(perf_counter() - began)
    return found


def _step(name: str, target: str, seconds: float, check: Callable[[], Figures]) -> Step:
    head = Check(name=name, target=target, precision="", verdict="not run")
    return Step(head, seconds, partial(judged, head, check))
