"""An open TensorRT plan: its ports and sizes, contexts to run it with, and its weights."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latentlink.engine.targets import TARGETS
from latentlink.engine.targets.tensorrt_module import ErrorLog, error_log
from latentlink.errors import BundleError, PreflightError
from latentlink.ports import Dim, Port
from latentlink.runtime.sessions.gpu.cuda import Cuda
from latentlink.runtime.sessions.gpu.kernel_cache import KernelCache
from latentlink.runtime.sessions.readback import engine_title, read_port

TYPES: Mapping[str, str] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
}
"""dtypes of ports by the name of TensorRT's DataType."""

FREE = 1 << 31
"""Largest size of a dimension without a limit."""

REBUILD = "Build the bundle again: latentlink build EXPORTED BUNDLE."

Sizes = tuple[tuple[int, ...], tuple[int, ...]]
"""Smallest and largest shape of a tensor."""


class TensorrtPlan:
    """An engine as TensorRT knows it. `inputs` and `outputs` are read back from it, dimensions of one size as numbers.

    Args:
        path: The plan.
        target: `tensorrt` or `tensorrt-rtx`.
        trt: The module of that target.
        cuda: The GPU.

    Raises:
        PreflightError: It is for another GPU, driver or version.
        BundleError: It is no plan, or a tensor is not what its name says.
        MemoryError: The GPU does not have enough memory for it.
    """

    def __init__(self, path: Path, target: str, trt: Any, cuda: Cuda) -> None:
        self.title = engine_title(path)
        self._trt = trt
        self._log: ErrorLog = error_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._open(path, f"{TARGETS[target].packages[0].title} {trt.__version__}")
        self.streams = bool(self._engine.streamable_weights_size)
        """Whether weights are streamed to the GPU when needed; its contexts then have memory of their own."""
        self._config, self._kernels = _runtime_config(trt, self._engine, target, cuda, self.streams)
        self._compiled = False  # for a context
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        self.sizes: dict[str, Sizes] = {name: self._range(name) for name in names}
        self.inputs = tuple(self._port(name, path) for name in names if self._reads(name))
        self.outputs = tuple(self._port(name, path) for name in names if not self._reads(name))

    def _open(self, path: Path, title: str) -> Any:
        """Open the engine, reading as much of the file as TensorRT needs."""
        if not path.stat().st_size:
            raise BundleError(f"{title} cannot open {self.title}: the file is empty.", remedy=REBUILD)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if hasattr(self._runtime, "get_engine_validity"):  # TensorRT for RTX
                self._check_header(data[: self._runtime.engine_header_size], title)
            engine = self._runtime.deserialize_cuda_engine(data)
        self.check()
        if engine is None:
            # files are checked before they are opened, so it is another GPU, driver or release than the builder's
            raise self._invalid(title, self._reason())
        if engine.streamable_weights_size:  # if it was built for streaming, as many as fit stay on the GPU
            engine.weight_streaming_budget_v2 = engine.get_weight_streaming_automatic_budget()
        return engine

    def _check_header(self, header: bytes, title: str) -> None:
        validity, found = self._runtime.get_engine_validity(header)
        self.check()
        if validity != self._trt.EngineValidity.INVALID:
            return
        kinds = self._trt.EngineInvalidityDiagnostics
        bits = {name: int(getattr(kinds, name).value) for name in dir(kinds) if name.isupper()}
        listed = [name for name, bit in bits.items() if int(found) & bit]
        if "MALFORMED_ENGINE" in listed:
            raise BundleError(f"{title} cannot open {self.title}: it is not a plan, or damaged.", remedy=REBUILD)
        reason = ", ".join(name.replace("_", " ").lower() for name in listed) or self._log.summary()
        raise self._invalid(title, reason)

    def _invalid(self, title: str, reason: str) -> PreflightError:
        return PreflightError(f"{title} cannot run {self.title} on this machine: {reason}.", remedy=REBUILD)

    def _reads(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT)

    def _range(self, name: str) -> Sizes:
        """Shapes of a tensor: an input's from the profile; free dimensions of an output are -1 to `FREE`."""
        shape = tuple(self._engine.get_tensor_shape(name))
        if -1 not in shape:
            return shape, shape
        if not self._reads(name):
            return shape, tuple(FREE if size < 0 else size for size in shape)
        low, _, high = self._engine.get_tensor_profile_shape(name, 0)
        return tuple(low), tuple(high)

    def _port(self, name: str, path: Path) -> Port:
        if self._engine.get_tensor_location(name) != self._trt.TensorLocation.DEVICE:
            raise BundleError(
                f"The engine {self.title} has {name!r} on the host; expected all its tensors on the GPU.",
                remedy="It is a fault of the export: report it.",
            )
        # the engine has no names for dimensions
        shape: list[Dim] = [
            low if low == high else f"d{axis}" for axis, (low, high) in enumerate(zip(*self.sizes[name], strict=True))
        ]
        found = self._engine.get_tensor_dtype(name).name
        return read_port(path, name, shape, dtype=TYPES.get(found), described=found)

    @property
    def open(self) -> bool:
        """Whether it is open."""
        return self._engine is not None

    def context(self) -> Any:
        """A new execution context, without memory of its own unless the engine streams weights.

        Raises:
            BundleError, MemoryError: TensorRT cannot make one.
        """
        made = self._engine.create_execution_context(self._config)
        self._compiled = True
        self.check()
        if made is None:
            raise self.failure()
        return made

    def check(self) -> None:
        """Raise an exception that occurred in Python while TensorRT logged, such as KeyboardInterrupt."""
        self._log.check()

    def failure(self, how: str = "failed") -> Exception:
        """The error that says why TensorRT failed, in its own words.

        Raises:
            MemoryError: It wants for memory.
        """
        self.check()
        return BundleError(f"The engine {self.title} {how}: {self._reason()}.", remedy=REBUILD)

    def forget_failures(self) -> None:
        """Forget what TensorRT logged of a failure that has no consequence, so that the next one is not told with it.

        Raises:
            BaseException: What was raised in Python meanwhile, such as KeyboardInterrupt.
        """
        self.check()
        self._log.summary()

    def _reason(self) -> str:
        """What TensorRT logged.

        Raises:
            MemoryError: It is a want of memory.
        """
        reason = self._log.summary()
        if "outofmemory" in reason.lower().replace(" ", ""):
            raise MemoryError(f"The GPU does not have enough memory for {self.title}: {reason}.")
        return reason

    def weights(self, graph: Path) -> Callable[[], bool]:
        """Read the weights of an ONNX graph with the same nodes.

        Returns:
            A function that puts them into the engine, which must not be running; it returns whether it succeeded.

        Raises:
            BundleError: The engine was not built for refitting, or the graph does not have all its weights.
        """
        if not self._engine.refittable:
            raise BundleError(
                f"The weights of {self.title} cannot be replaced: it was not built for that.",
                remedy="Build it with --refit.",
            )
        refitter = self._trt.Refitter(self._engine, self._log)
        parser = self._trt.OnnxParserRefitter(refitter, self._log)
        read = parser.refit_from_file(str(graph))
        missing = refitter.get_missing_weights()
        self.check()
        if not read or missing:
            why = f"it lacks {', '.join(missing[:3])}" if missing else self._log.summary()
            raise BundleError(
                f"{graph.name} does not have the weights of {self.title}: {why}.",
                remedy="Use the graph of an export of the same family and precision.",
            )

        def put(held: object = parser) -> bool:  # the parser holds the weights until then
            return bool(refitter.refit_cuda_engine())

        return put

    def close(self) -> None:
        """Release the engine's memory; its contexts must be released before."""
        if self._kernels is not None and self._compiled:
            self._kernels.save()
        self._config = self._engine = self._runtime = None


def _runtime_config(trt: Any, engine: Any, target: str, cuda: Cuda, streams: bool) -> tuple[Any, KernelCache | None]:
    """The configuration of execution contexts, and where the kernels go that are compiled for them.

    They have no memory of their own, unless weights are streamed: TensorRT allocates memory for these as it runs,
    "which conflicts with user-managed allocation" (its own words). TensorRT for RTX needs further settings.
    """
    strategies = trt.ExecutionContextAllocationStrategy
    strategy = strategies.STATIC if streams else strategies.USER_MANAGED
    if not hasattr(engine, "create_runtime_config"):  # older TensorRT
        return strategy, None
    config = engine.create_runtime_config()
    config.set_execution_context_allocation_strategy(strategy)
    if hasattr(config, "cuda_graph_strategy"):
        # graphs are captured by us, after the kernels of these shapes are compiled: later ones would be left out
        config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED
        config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        # compiled kernels outlive the engine, as another one may need them, or this one when it is opened again
        with cuda.lock:
            if target not in cuda.shared:
                cuda.shared[target] = KernelCache(config.create_runtime_cache(), f"{target}-{trt.__version__}")
        kernels: KernelCache = cuda.shared[target]
        config.set_runtime_cache(kernels.made)
        return config, kernels
    return config, None
