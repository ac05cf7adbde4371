"""TensorRT on the fake GPU: a plan is an ONNX graph with profiles, and ONNX Runtime on the CPU computes it.

What TensorRT leaves undefined is an AssertionError: memory of its own, addresses that were not set or too small, a
graph that was captured before its shapes ran once, or before the weights were replaced.
"""

# ruff: noqa: N802 - the names are TensorRT's

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NoReturn
from weakref import ref

import numpy as np
import onnx
import onnxruntime as ort

from tests.runtime.sessions.gpu.fake_gpu import FakeCuda

OWN = {"strategy", "cache", "static", "version", "kernels"}
"""Attributes that are not TensorRT's."""

MAGIC = b"FAKEPLAN"
HEADER = 32
Range = tuple[int, int, int]

TYPES = {
    "tensor(float)": ("FLOAT", np.float32),
    "tensor(float16)": ("HALF", np.float16),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int64)": ("INT64", np.int64),
}


def make_plan(graph: Path, limits: Mapping[str, Range], *, version: str = "10.9.0", refit: bool = False) -> bytes:
    """A plan of an ONNX graph; weights beside it stay where they are."""
    head = json.dumps({"limits": limits, "refit": refit, "folder": str(graph.parent)}).encode()
    body = len(head).to_bytes(8, "little") + head + graph.read_bytes()
    return MAGIC + version.encode().ljust(16) + (HEADER + len(body)).to_bytes(8, "little") + body


class DataType(Enum):
    FLOAT = "float32"
    HALF = "float16"
    UINT8 = "uint8"
    INT32 = "int32"
    INT64 = "int64"


class TensorIOMode(Enum):
    INPUT = 1
    OUTPUT = 2


class TensorLocation(Enum):
    DEVICE = 0
    HOST = 1


class ExecutionContextAllocationStrategy(Enum):
    STATIC = 0
    USER_MANAGED = 2


class CudaGraphStrategy(Enum):
    DISABLED = 0


class DynamicShapesKernelSpecializationStrategy(Enum):
    EAGER = 1


class EngineValidity(IntEnum):
    VALID = 0
    INVALID = 2


class EngineInvalidityDiagnostics(IntEnum):
    VERSION_MISMATCH = 1
    UNSUPPORTED_CC = 2
    MALFORMED_ENGINE = 32


class Logger:
    ERROR = 1
    INTERNAL_ERROR = 0

    def log(self, severity: int, message: str) -> None:
        raise NotImplementedError

    def tell(self, severity: int, message: str) -> None:
        """What TensorRT does: an error of Python's is lost in C++."""
        with suppress(BaseException):
            self.log(severity, message)


class Interrupted(str):
    """A message in whose midst the user presses Ctrl-C."""

    def split(self, *_: Any) -> NoReturn:
        raise KeyboardInterrupt


class FakeTensorrt:
    """The module. With `rtx` it has what only TensorRT for RTX has."""

    ILogger = Logger
    DataType = DataType
    TensorIOMode = TensorIOMode
    TensorLocation = TensorLocation
    ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy
    CudaGraphStrategy = CudaGraphStrategy
    DynamicShapesKernelSpecializationStrategy = DynamicShapesKernelSpecializationStrategy
    EngineValidity = EngineValidity
    EngineInvalidityDiagnostics = EngineInvalidityDiagnostics

    def __init__(self, gpu: FakeCuda, *, rtx: bool = False, version: str = "10.9.0") -> None:
        self.gpu = gpu
        self.rtx = rtx
        self.__version__ = version
        self.capturable = True
        self.streamable = 0  # bytes of weights that engines were built to stream
        self.contexts = 0  # made so far
        self.caches = 0  # of compiled kernels, made so far
        self.compiled = 0  # kernels so far
        self.inferring = True  # whether shapes can be inferred
        self.interrupted: str | None = None  # the call that the user presses Ctrl-C in

    def enter(self, call: str, logger: Logger) -> None:
        """Log something, as every call may."""
        if call == self.interrupted:
            logger.tell(Logger.ERROR, Interrupted("something"))

    def Runtime(self, logger: Logger) -> PlanReader:
        return RtxPlanReader(self, logger) if self.rtx else PlanReader(self, logger)

    def Refitter(self, engine: Engine, logger: Logger) -> Weights:
        return Weights(engine)

    def OnnxParserRefitter(self, weights: Weights, logger: Logger) -> WeightsReader:
        return WeightsReader(weights)


class PlanReader:
    def __init__(self, trt: FakeTensorrt, logger: Logger) -> None:
        self.trt, self.logger = trt, logger

    def deserialize_cuda_engine(self, plan: Any) -> Engine | None:
        self.trt.enter("deserialize_cuda_engine", self.logger)
        data = bytes(plan)
        size = int.from_bytes(data[24:32], "little")
        if data[:8] != MAGIC or len(data) != size:
            self.logger.log(Logger.ERROR, "Serialization assertion plan.header.size == blobSize failed.")
            return None
        if data[8:24].strip().decode() != self.trt.__version__:
            self.logger.log(Logger.ERROR, "Serialization assertion stdVersionRead == kSERIALIZATION_VERSION failed.")
            return None
        length = int.from_bytes(data[HEADER : HEADER + 8], "little")
        head = json.loads(data[HEADER + 8 :][:length])
        return (RtxEngine if self.trt.rtx else Engine)(self.trt, self.logger, head, data[HEADER + 8 + length :])


class RtxPlanReader(PlanReader):
    engine_header_size = HEADER

    def get_engine_validity(self, header: bytes) -> tuple[EngineValidity, int]:
        if len(header) < HEADER or header[:8] != MAGIC:
            return EngineValidity.INVALID, int(EngineInvalidityDiagnostics.MALFORMED_ENGINE)
        if header[8:24].strip().decode() != self.trt.__version__:
            return EngineValidity.INVALID, int(EngineInvalidityDiagnostics.VERSION_MISMATCH)
        return EngineValidity.VALID, 0


def _session(graph: bytes, folder: str) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Engine:
    def __init__(self, trt: FakeTensorrt, logger: Logger, head: dict[str, Any], graph: bytes) -> None:
        self.trt, self.logger = trt, logger
        self.limits: dict[str, Range] = head["limits"]
        self.refittable: bool = head["refit"]
        self.weights = {tensor.name for tensor in onnx.load_from_string(graph).graph.initializer}
        self.session = _session(graph, head["folder"])
        self.generation = 0  # of the weights
        self.streamable_weights_size = trt.streamable
        self.weight_streaming_budget_v2: int | None = None
        self.inputs: dict[str, Any] = {arg.name: arg for arg in self.session.get_inputs()}
        self.outputs: dict[str, Any] = {arg.name: arg for arg in self.session.get_outputs()}
        self.tensors = {**self.inputs, **self.outputs}

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, number: int) -> str:
        return sorted(self.tensors)[number]  # not in the order of the graph

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_location(self, name: str) -> TensorLocation:
        assert name in self.tensors
        return TensorLocation.DEVICE

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[TYPES[self.tensors[name].type][0]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(size if isinstance(size, int) else -1 for size in self.tensors[name].shape)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert profile == 0 and name in self.inputs
        shape = self.inputs[name].shape
        return [tuple(self.limits[dim][k] if isinstance(dim, str) else dim for dim in shape) for k in range(3)]

    def get_weight_streaming_automatic_budget(self) -> int:
        return self.streamable_weights_size // 2

    def create_execution_context(self, strategy: Any) -> Context | None:
        assert not self.streamable_weights_size or self.weight_streaming_budget_v2 is not None
        if self.streamable_weights_size and strategy is not ExecutionContextAllocationStrategy.STATIC:
            self.logger.log(
                Logger.ERROR,
                "Weight streaming requires runtime allocation which conflicts with user-managed allocation.",
            )
            return None
        assert self.streamable_weights_size or strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        self.trt.enter("create_execution_context", self.logger)
        self.trt.contexts += 1
        return Context(self)


class RuntimeCache:
    def __init__(self, version: str) -> None:
        self.version = version
        self.kernels: set[str] = set()

    def serialize(self) -> bytearray:
        return bytearray(json.dumps([self.version, *sorted(self.kernels)]).encode())

    def deserialize(self, blob: bytes) -> bool:
        try:
            version, *kernels = json.loads(blob)
        except ValueError:
            return False
        if version != self.version:
            return False
        self.kernels.update(kernels)
        return True


class RuntimeConfig:
    strategy = ExecutionContextAllocationStrategy.STATIC
    cuda_graph_strategy: Any = None
    dynamic_shapes_kernel_specialization_strategy: Any = None
    cache: Any = None

    def __init__(self, trt: FakeTensorrt) -> None:
        self.trt = trt

    def set_execution_context_allocation_strategy(self, strategy: ExecutionContextAllocationStrategy) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> RuntimeCache:
        self.trt.caches += 1
        return RuntimeCache(self.trt.__version__)

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = ref(cache)  # as C++ does
        return True


class RtxEngine(Engine):
    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig(self.trt)

    def create_execution_context(self, config: Any) -> Context | None:
        assert config.cuda_graph_strategy is CudaGraphStrategy.DISABLED
        assert config.cache() is not None, "the cache is gone"
        # a kernel that is compiled after the capture would never be used
        assert config.dynamic_shapes_kernel_specialization_strategy is DynamicShapesKernelSpecializationStrategy.EAGER
        kernel = f"{sorted(self.tensors)} {self.generation}"
        if kernel not in config.cache().kernels:
            config.cache().kernels.add(kernel)
            self.trt.compiled += 1
        return super().create_execution_context(config.strategy) and RtxContext(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.gpu = engine.trt.gpu
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.memory = (0, 0)
        self.static = bool(engine.streamable_weights_size)  # whether it has memory of its own
        self.needed: int | None = None
        self.warm = False
        self.sizes: dict[str, tuple[int, ...]] = {}

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        low, _, high = self.engine.get_tensor_profile_shape(name, 0)
        if len(shape) != len(low) or any(not a <= n <= b for a, n, b in zip(low, shape, high, strict=True)):
            self.engine.logger.log(Logger.ERROR, f"Set dimension of {name} does not satisfy the profile.")
            return False
        self.shapes[name] = tuple(shape)
        self.needed, self.warm = None, False
        return True

    def infer_shapes(self) -> list[str]:
        if not self.engine.trt.inferring:
            self.engine.logger.log(Logger.ERROR, "shapeMachine: broadcast dimensions must be conformable.")
            raise RuntimeError("Shape inference failed")
        return [name for name in self.engine.inputs if name not in self.shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert not self.infer_shapes()
        if not self.sizes:
            zeros = {n: np.zeros(s, TYPES[self.engine.inputs[n].type][1]) for n, s in self.shapes.items()}
            made = self.engine.session.run(list(self.engine.outputs), zeros)
            self.sizes = {n: array.shape for n, array in zip(self.engine.outputs, made, strict=True)}
        return self.sizes[name]

    def update_device_memory_size_for_shapes(self) -> int:
        assert not self.infer_shapes()
        self.needed = 4096 + 16 * sum(int(np.prod(shape)) for shape in self.shapes.values())
        return self.needed

    def set_device_memory(self, pointer: int, size: int) -> None:
        assert not self.static, "it has memory of its own"
        assert pointer % 256 == 0
        self.gpu.region(pointer, size)
        self.memory = (pointer, size)

    def set_tensor_address(self, name: str, pointer: int) -> bool:
        assert name in self.engine.tensors
        assert pointer and pointer % 256 == 0, "an address that is not aligned"
        self.addresses[name] = pointer
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == int(self.gpu.stream)
        assert self.addresses.keys() == self.engine.tensors.keys(), "an address was not set"
        if not self.static:
            assert self.needed is not None and self.memory[1] >= self.needed, "there is no memory for activations"
        assert self.gpu.capturing is None or not self.static, "weights are streamed into a graph"
        assert not self.gpu.last_error, "TensorRT takes an error that was left for its own"
        if self.gpu.capturing is not None and not (self.warm and self.engine.trt.capturable):
            self.gpu.capture_broken = True
            self.engine.logger.log(Logger.ERROR, "operation not permitted when stream is capturing")
            return False
        self.warm = True
        engine, generation, memory = self.engine, self.engine.generation, self.memory
        places = {}
        for name, arg in engine.tensors.items():
            shape = self.shapes[name] if name in engine.inputs else self.get_tensor_shape(name)
            dtype = np.dtype(TYPES[arg.type][1])
            places[name] = (self.addresses[name], int(np.prod(shape)) * dtype.itemsize, shape, dtype)

        def check() -> None:
            for pointer, size, _, _ in places.values():
                self.gpu.region(pointer, size)
            if memory[1]:
                self.gpu.region(*memory)
            assert generation == engine.generation, "a graph of other weights is launched"

        def kernel() -> None:
            feeds = {}
            for name in engine.inputs:
                pointer, size, shape, dtype = places[name]
                feeds[name] = self.gpu.view(pointer, size).copy().view(dtype).reshape(shape)
            if memory[1]:
                self.gpu.view(*memory).fill(0xCD)  # whatever else lies there is lost
            for name, array in zip(engine.outputs, engine.session.run(list(engine.outputs), feeds), strict=True):
                pointer, size, _, _ = places[name]
                self.gpu.view(pointer, size)[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            self.gpu.clock += 1

        self.gpu.enqueue(check, kernel)
        return True


class RtxContext(Context):
    def is_stream_capturable(self, stream: int) -> bool:
        return self.engine.trt.capturable


class Weights:
    def __init__(self, engine: Engine) -> None:
        assert engine.refittable
        self.engine = engine
        self.given: Path | None = None
        self.missing: list[str] = sorted(engine.weights)

    def get_missing_weights(self) -> list[str]:
        return self.missing

    def refit_cuda_engine(self) -> bool:
        assert not self.engine.trt.gpu.queue, "weights are replaced under a run"
        self.engine.trt.enter("refit_cuda_engine", self.engine.logger)
        if self.given is None or self.missing:
            return False
        self.engine.session = _session(self.given.read_bytes(), str(self.given.parent))
        self.engine.generation += 1
        return True


class WeightsReader:
    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def refit_from_file(self, path: str) -> bool:
        named = {tensor.name for tensor in onnx.load(path, load_external_data=False).graph.initializer}
        self.weights.given = Path(path)
        self.weights.missing = sorted(self.weights.engine.weights - named)
        return not self.weights.missing
