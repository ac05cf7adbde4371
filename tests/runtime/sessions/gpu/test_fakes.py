"""The GPU and the TensorRT of the tests have nothing that the real packages lack."""

from __future__ import annotations

import inspect
from enum import IntEnum
from types import ModuleType

import pytest

from latentlink.engine.targets.tensorrt_module import error_log, import_tensorrt
from latentlink.errors import PreflightError
from latentlink.runtime.sessions.gpu.cuda import import_cuda, unsigned
from tests.runtime.sessions.gpu import fake_tensorrt
from tests.runtime.sessions.gpu.fake_gpu import CaptureMode, Error, FakeCuda, Kind, PoolAttribute


@pytest.fixture
def real_cuda() -> ModuleType:
    try:
        return import_cuda()  # type: ignore[no-any-return]
    except PreflightError as error:
        pytest.skip(error.message)


@pytest.fixture
def real_trt() -> ModuleType:
    try:
        return import_tensorrt("tensorrt-rtx")  # type: ignore[no-any-return]
    except PreflightError as error:
        pytest.skip(error.message)


def test_every_cuda_function_is_real_and_takes_as_many_arguments(real_cuda: ModuleType) -> None:
    names = [name for name in vars(FakeCuda) if name.startswith("cuda")]
    functions = [name for name in names if inspect.isfunction(getattr(FakeCuda, name))]
    assert len(functions) > 20
    for name in functions:
        expected = list(inspect.signature(getattr(real_cuda, name)).parameters)
        assert len(inspect.signature(getattr(FakeCuda, name)).parameters) - 1 == len(expected), name
    flags = [name for name in names if isinstance(getattr(FakeCuda, name), int)]
    assert [getattr(FakeCuda, name) for name in flags] == [getattr(real_cuda, name) for name in flags]


def test_a_number_of_64_bits_is_what_cuda_takes(real_cuda: ModuleType) -> None:
    attribute = real_cuda.cudaMemPoolAttr.cudaMemPoolAttrReleaseThreshold
    (error,) = real_cuda.cudaMemPoolSetAttribute(real_cuda.cudaMemPool_t(0), attribute, unsigned((1 << 64) - 1))
    assert error != real_cuda.cudaError_t.cudaSuccess  # there is no such pool


@pytest.mark.parametrize(
    ("ours", "name"),
    [(Error, "cudaError_t"), (Kind, "cudaMemcpyKind"), (PoolAttribute, "cudaMemPoolAttr")],
)
def test_every_cuda_value_is_the_real_one(real_cuda: ModuleType, ours: type[IntEnum], name: str) -> None:
    for member in ours:
        assert int(getattr(getattr(real_cuda, name), member.name)) == member.value
    assert CaptureMode.cudaStreamCaptureModeThreadLocal == int(
        real_cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    )


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (fake_tensorrt.RtxPlanReader, "Runtime"),
        (fake_tensorrt.RtxEngine, "ICudaEngine"),
        (fake_tensorrt.RuntimeConfig, "IRuntimeConfig"),
        (fake_tensorrt.RtxContext, "IExecutionContext"),
        (fake_tensorrt.RuntimeCache, "IRuntimeCache"),
        (fake_tensorrt.Weights, "Refitter"),
        (fake_tensorrt.WeightsReader, "OnnxParserRefitter"),
        (fake_tensorrt.DataType, "DataType"),
        (fake_tensorrt.TensorIOMode, "TensorIOMode"),
        (fake_tensorrt.TensorLocation, "TensorLocation"),
        (fake_tensorrt.ExecutionContextAllocationStrategy, "ExecutionContextAllocationStrategy"),
        (fake_tensorrt.CudaGraphStrategy, "CudaGraphStrategy"),
        (fake_tensorrt.DynamicShapesKernelSpecializationStrategy, "DynamicShapesKernelSpecializationStrategy"),
        (fake_tensorrt.EngineValidity, "EngineValidity"),
        (fake_tensorrt.EngineInvalidityDiagnostics, "EngineInvalidityDiagnostics"),
    ],
)
def test_every_method_and_member_of_tensorrt_is_real(real_trt: ModuleType, ours: type, name: str) -> None:
    real = getattr(real_trt, name)
    for attribute in dir(ours):
        if not attribute.startswith("_") and attribute not in dir(int) and attribute not in fake_tensorrt.OWN:
            assert hasattr(real, attribute), attribute


def test_the_real_tensorrt_refuses_what_is_no_plan_as_the_fake_one_does(real_trt: ModuleType) -> None:
    runtime = real_trt.Runtime(error_log(real_trt))
    validity, found = runtime.get_engine_validity(b"x" * runtime.engine_header_size)
    assert validity == real_trt.EngineValidity.INVALID
    assert int(found) == fake_tensorrt.EngineInvalidityDiagnostics.MALFORMED_ENGINE
