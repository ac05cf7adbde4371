"""TensorRT and TensorRT for RTX: ONNX parsed into a strongly typed network and compiled to a plan.

Precision is that of the graph's own types. TensorRT compiles for the GPU of this machine, TensorRT for RTX ahead of
time for several kinds, without any.
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

AHEAD_OF_TIME = "8.0-12.x"
"""Compute capabilities that TensorRT for RTX builds for where none is named (its documentation: 8.0 and later)."""


def build_engine(job: Job) -> Mapping[str, Fact]:
    """Compile `job.source` and write the plan to `job.out`.

    Returns:
        Facts for the fingerprint.

    Raises:
        BuildError: TensorRT does not take the graph, or fails to compile it.
        UsageError: The timing cache is not one.
        PreflightError: The package or the GPU that it needs is not here.
    """
    trt = import_tensorrt(job.target)
    kinds = capabilities(job)
    stop = Event()
    with _stopped_by_ctrl_c(stop):
        plan = _compile(trt, job, kinds, stop)
    with job.out.open("wb") as file:
        file.write(memoryview(plan))
    return {
        "compute_capability": tuple(kinds) or (AHEAD_OF_TIME,),
        "cuda": least_cuda(job),
        "refit": job.options.refit,
        "weight_streaming": job.options.weight_streaming,
    }


def _compile(trt: Any, job: Job, kinds: Sequence[str], stop: Event) -> Any:
    """The plan, in memory."""
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
            remedy = "Try smaller sizes or another precision; if it should work, report it."
            if job.options.refit and not this_machine().gpus:  # TensorRT-RTX 1.7 does not do it without
                remedy = "Engines with --refit may need a GPU to be built: build on such a machine, or without --refit."
            raise BuildError(f"{_title(trt, job)} cannot compile {job.component}: {log.summary()}.", remedy=remedy)
    return plan


def _config(trt: Any, builder: Any, job: Job, kinds: Sequence[str]) -> Any:
    """Sizes, options and kinds of GPU, as TensorRT takes them."""
    config = builder.create_builder_config()
    config.add_optimization_profile(_profile(builder, job))
    for flag, wanted in (("REFIT", job.options.refit), ("WEIGHT_STREAMING", job.options.weight_streaming)):
        if wanted:
            config.set_flag(getattr(trt.BuilderFlag, flag))
    # on unless told otherwise; float32 means float32: what is to be fast is built in half precision
    config.clear_flag(trt.BuilderFlag.TF32)
    # TensorRT for RTX: else its engines may not be captured as CUDA graphs; streaming needs memory of its own
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
    """Creation flags; where every network is strongly typed there is no flag for it."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, network: Any, log: Any, job: Job) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse_from_file(str(job.source)):
        return
    listed = []
    for number in range(min(parser.num_errors, ERRORS)):
        error = parser.get_error(number)
        listed.append(f"node {error.node_name()!r} ({error.node_operator()}): {' '.join(error.desc().split())}")
    raise BuildError(
        f"{_title(trt, job)} cannot read the graph of {job.component}: {'; '.join(listed) or log.summary()}.",
        remedy="Export it again with this version of latentlink, or build it for another target.",
    )


def _check_ports(trt: Any, network: Any, job: Job) -> None:
    """What the network reads and writes must be what the ports say, before any time is spent on it."""
    found = [network.get_input(number) for number in range(network.num_inputs)]
    found += [network.get_output(number) for number in range(network.num_outputs)]
    made = [(tensor.name, tensor.dtype) for tensor in found]
    wanted = [(port.tensor, _dtype(trt, port)) for port in (*job.inputs, *job.outputs)]
    if made != wanted:
        raise BuildError(
            f"{_title(trt, job)} reads and writes {made} in {job.component}; expected {wanted}.",
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
"""Ports' dtypes as TensorRT calls them."""


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
    """What TensorRT tells its progress.

    An error in there must not pass through its C++: it stops the build, and is kept to be raised.
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
def _stopped_by_ctrl_c(stop: Event) -> Iterator[None]:
    """Ctrl-C sets `stop`, and is raised when the block ends: Python would raise it in whichever call C++ makes next."""
    if current_thread() is not main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if stop.is_set():
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _timing_cache(config: Any, job: Job) -> Iterator[None]:
    """Give the builder what earlier builds measured, and keep what this one adds."""
    path = job.options.timing_cache
    if path is None:
        yield
        return
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    if cache is None or not config.set_timing_cache(cache, False):
        raise UsageError(
            f"{str(path)!r} is not a timing cache that this machine's TensorRT reads.",
            remedy="Give another file, or delete it: it is made anew.",
        )
    yield
    with atomic_file(path) as part:
        part.write_bytes(memoryview(config.get_timing_cache().serialize()))
