"""TensorRT and TensorRT for RTX: an ONNX graph parsed into a strongly typed network and compiled to a plan.

The precision is that of the graph's own types. TensorRT compiles for the GPU of this machine; TensorRT for RTX compiles
ahead of time for several compute capabilities, and needs no GPU.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import Any

from latentlink.engine.builders.gpu_kinds import capabilities, least_cuda
from latentlink.engine.builders.job import Job
from latentlink.engine.builders.tensorrt_progress import Phases
from latentlink.engine.bundle import Fact
from latentlink.engine.targets import TARGETS, this_machine
from latentlink.engine.targets.tensorrt_module import ERRORS, error_log, import_tensorrt
from latentlink.errors import BuildError, UsageError
from latentlink.files import atomic_file
from latentlink.ports import Port

AHEAD_OF_TIME = ("8.0", "8.6", "8.9", "12.0")
"""Compute capabilities that TensorRT for RTX builds for by default (its documentation, CPU-Only AOT and TensorRT-RTX
Engines): not a range, GPUs of data centres such as 9.0 and 10.0 lie between."""


def build_engine(job: Job) -> Mapping[str, Fact]:
    """Compile `job.source` and write the plan to `job.out`.

    Returns:
        Facts for the fingerprint.

    Raises:
        BuildError: TensorRT cannot parse or compile the graph.
        KeyboardInterrupt: The build was interrupted, and TensorRT cancelled it.
        UsageError: The timing cache is no timing cache.
        PreflightError: The package or the GPU that it needs is missing.
    """
    trt = import_tensorrt(job.target)
    kinds = capabilities(job)
    stop = Event()
    with _stop_on_ctrl_c(stop):
        plan = _compile(trt, job, kinds, stop)
    with job.out.open("wb") as file:
        file.write(memoryview(plan))
    return {
        "compute_capability": tuple(kinds) or AHEAD_OF_TIME,
        "cuda": least_cuda(job),
        "refit": job.options.refit,
        "weight_streaming": job.options.weight_streaming,
    }


def _compile(trt: Any, job: Job, kinds: Sequence[str], stop: Event) -> Any:
    """Compile the plan, in memory."""
    log = error_log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_strongly_typed(trt))
    job.on_phase("parsing", 0.0)
    _parse(trt, network, log, job)
    _check_ports(trt, network, job)
    log.check()
    config = _config(trt, builder, job, kinds)
    config.progress_monitor = monitor = _monitor(trt, Phases(job.on_phase), stop)
    with _timing_cache(config, job):
        plan = builder.build_serialized_network(network, config)
        if monitor.error is not None:
            raise monitor.error
        log.check()
        if plan is None:
            if stop.is_set():
                raise KeyboardInterrupt
            remedy = "Try smaller sizes or another precision; if it should work, report it."
            if job.options.refit and not this_machine().gpus:  # TensorRT-RTX 1.7 needs one for it
                remedy = "Engines with --refit may need a GPU to be built: build on such a machine, or without --refit."
            raise BuildError(f"{_title(trt, job)} cannot compile {job.component}: {log.summary()}.", remedy=remedy)
    return plan


def _config(trt: Any, builder: Any, job: Job, kinds: Sequence[str]) -> Any:
    """The builder configuration: sizes, options and compute capabilities."""
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, job))
    for flag, wanted in (("REFIT", job.options.refit), ("WEIGHT_STREAMING", job.options.weight_streaming)):
        if wanted:
            config.set_flag(getattr(trt.BuilderFlag, flag))
    # on by default; float32 means float32: an engine that has to be fast is built in half precision
    config.clear_flag(trt.BuilderFlag.TF32)
    # TensorRT for RTX: engines can be captured as CUDA graphs only with it; weight streaming allocates by itself
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION") and not job.options.weight_streaming:
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if TARGETS[job.target].kinds and kinds:
        config.num_compute_capabilities = len(kinds)
        for index, kind in enumerate(kinds):
            config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{kind.replace('.', '')}"), index)
    return config


def _title(trt: Any, job: Job) -> str:
    return f"{TARGETS[job.target].packages[0].title} {trt.__version__}"


def _strongly_typed(trt: Any) -> int:
    """Flags to create a network with; versions in which every network is strongly typed have no flag for it."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, network: Any, log: Any, job: Job) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse_from_file(str(job.source)):
        return
    errors = []
    for number in range(min(parser.num_errors, ERRORS)):
        error = parser.get_error(number)
        errors.append(f"node {error.node_name()!r} ({error.node_operator()}): {' '.join(error.desc().split())}")
    raise BuildError(
        f"{_title(trt, job)} cannot read the graph of {job.component}: {'; '.join(errors) or log.summary()}.",
        remedy="Export it again with this version of latentlink, or build it for another target.",
    )


def _check_ports(trt: Any, network: Any, job: Job) -> None:
    """Check that the network reads and writes the ports, before time is spent on it."""
    tensors = [network.get_input(number) for number in range(network.num_inputs)]
    tensors += [network.get_output(number) for number in range(network.num_outputs)]
    found = [(tensor.name, tensor.dtype) for tensor in tensors]
    expected = [(port.tensor, _dtype(trt, port)) for port in (*job.inputs, *job.outputs)]
    if found != expected:
        raise BuildError(
            f"{_title(trt, job)} reads and writes {found} in {job.component}; expected {expected}.",
            remedy="It is a fault of the builder: report it.",
        )


DTYPES: Mapping[str, str] = {
    "float32": "FLOAT",
    "float16": "HALF",
    "bfloat16": "BF16",
    "uint8": "UINT8",
    "int32": "INT32",
    "int64": "INT64",
}
"""TensorRT's name by dtype of a port."""


def _dtype(trt: Any, port: Port) -> Any:
    return getattr(trt.DataType, DTYPES[port.dtype])


def _profile(builder: Any, job: Job) -> Any:
    profile = builder.create_optimization_profile()
    for port in job.inputs:
        if any(isinstance(dim, str) for dim in port.shape):
            shapes = [[job.limits[dim][k] if isinstance(dim, str) else dim for dim in port.shape] for k in range(3)]
            profile.set_shape(port.tensor, *shapes)
    return profile


def _monitor(trt: Any, phases: Phases, stop: Event) -> Any:
    """The progress monitor that TensorRT calls.

    An exception must not propagate through its C++: it stops the build, and is raised afterwards.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.error: BaseException | None = None

        def _do(self, call: Callable[..., None], *arguments: Any) -> bool:
            try:
                call(*arguments)
            except BaseException as error:
                self.error = error
            return self.error is None and not stop.is_set()

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._do(phases.start, phase, parent, steps)

        def phase_finish(self, phase: str) -> None:
            self._do(phases.finish, phase)

        def step_complete(self, phase: str, step: int) -> bool:
            return self._do(phases.step, phase, step)

    return Monitor()


@contextmanager
def _stop_on_ctrl_c(stop: Event) -> Iterator[None]:
    """Let Ctrl-C set `stop`, and raise it when the block ends: Python would raise it in the next call from C++.

    A process that ignores SIGINT, such as a background job of a shell, still ignores it.
    """
    handler = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or handler is None or handler == signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if stop.is_set():
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _timing_cache(config: Any, job: Job) -> Iterator[None]:
    """Give the builder the kernel timings of earlier builds, and store those that this build adds."""
    path = job.options.timing_cache
    if path is None:
        yield
        return
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    if cache is None or not config.set_timing_cache(cache, False):
        raise UsageError(
            f"{str(path)!r} is not a timing cache that this machine's TensorRT reads.",
            remedy="Give another file, or delete this one: the build makes a new one.",
        )
    yield
    with atomic_file(path) as part:
        part.write_bytes(memoryview(config.get_timing_cache().serialize()))
