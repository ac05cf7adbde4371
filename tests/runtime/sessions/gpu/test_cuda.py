"""The GPU of a process: copies that overlap with the host, memory that is given back in time, errors by name."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from latentlink.engine.targets import machine, this_machine
from latentlink.engine.targets.table import CUDA_PYTHON
from latentlink.errors import DeviceError, PreflightError, UsageError
from latentlink.runtime.sessions.gpu import cuda
from latentlink.runtime.sessions.gpu.cuda import PINNED, Copy, this_gpu
from latentlink.runtime.sessions.gpu.device_buffer import DeviceBuffer
from latentlink.runtime.sessions.gpu.pinned import SLOTS
from tests.runtime.sessions.gpu.fake_gpu import Error, FakeCuda

FLOAT = np.dtype(np.float32)


def buffer(values: list[float]) -> DeviceBuffer:
    made = DeviceBuffer(this_gpu(), (len(values),), FLOAT)
    made.write(np.array(values, np.float32))
    return made


def test_an_array_may_change_as_soon_as_it_was_written(gpu: FakeCuda) -> None:
    this_gpu().join()  # without an engine, nothing would release pinned memory, and copies are waited for
    made = [buffer([number, number]) for number in range(3 * SLOTS)]
    assert gpu.queue  # the first copies had to be waited for, the last are under way
    assert [array.numpy().tolist() for array in made] == [[number, number] for number in range(3 * SLOTS)]


def test_an_array_too_large_for_pinned_memory_is_waited_for(gpu: FakeCuda) -> None:
    values = np.arange(PINNED // 4 + 1, dtype=np.float32)
    made = DeviceBuffer(this_gpu(), values.shape, FLOAT)
    made.write(values)
    assert not gpu.pinned
    assert np.array_equal(made.numpy(), values)


def test_every_copy_is_noted_where_it_is_asked_for(gpu: FakeCuda) -> None:
    copies: list[Copy] = []
    this_gpu().copies = copies
    one = buffer([1, 2])
    two = DeviceBuffer(this_gpu(), (2,), FLOAT)
    two.copy_from(one)
    two.numpy()
    assert copies == [Copy("HostToDevice", 8), Copy("DeviceToDevice", 8), Copy("DeviceToHost", 8)]


def test_memory_is_given_back_with_the_last_reference_but_not_before_it_was_used(gpu: FakeCuda) -> None:
    one, two = buffer([1, 2]), DeviceBuffer(this_gpu(), (2,), FLOAT)
    two.copy_from(one)
    del one
    gc.collect()
    assert two.numpy().tolist() == [1, 2]
    assert len(gpu.regions) == 1


def test_freed_memory_stays_for_the_next_steps_and_is_given_back_before_others_need_it(gpu: FakeCuda) -> None:
    for _ in range(5):
        made = DeviceBuffer(this_gpu(), (1 << 18,), FLOAT)
        made.numpy()
        del made
        gc.collect()
        this_gpu().synchronize()
    assert gpu.pool.grown == 1
    gpu.capacity = 3 << 19
    assert not gpu.allocate_elsewhere(1 << 20)
    with this_gpu().opening():
        assert gpu.allocate_elsewhere(1 << 20)


def test_memory_that_is_collected_during_a_capture_is_given_back_after_it(gpu: FakeCuda) -> None:
    held, one = [buffer([1])], buffer([2])

    def enqueue() -> bool:
        held.clear()
        gc.collect()
        one.copy_from(two)
        return True

    two = buffer([3])
    graph = this_gpu().capture(enqueue)
    assert graph is not None
    assert gpu.calls.index("cudaFreeAsync") > gpu.calls.index("cudaStreamEndCapture")
    this_gpu().launch(graph)
    assert one.numpy().tolist() == [3]


def test_what_cannot_be_captured_makes_no_graph(gpu: FakeCuda) -> None:
    this_gpu().allocate(4)
    gpu.calls.clear()

    def enqueue() -> bool:
        gpu.cudaStreamSynchronize(gpu.stream)
        return True

    assert this_gpu().capture(enqueue) is None
    assert this_gpu().capture(lambda: False) is None
    assert not gpu.graphs
    assert buffer([1]).numpy().tolist() == [1]


def test_what_nobody_closed_is_given_back_when_a_capture_is_done(gpu: FakeCuda) -> None:
    done: list[str] = []

    def enqueue() -> bool:
        this_gpu().abandon(lambda: done.append("after the capture"))
        return not done

    assert this_gpu().capture(enqueue) is not None
    assert done == ["after the capture"]
    this_gpu().abandon(lambda: done.append("at once"))
    assert done == ["after the capture", "at once"]


def test_what_nobody_closed_does_not_take_pinned_memory_from_under_a_copy(
    gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_gpu().join()
    copy = gpu.cudaMemcpyAsync

    def collected(*arguments: Any) -> tuple[Error]:
        monkeypatch.setattr(gpu, "cudaMemcpyAsync", copy)
        this_gpu().abandon(this_gpu().leave)
        assert gpu.pinned
        return copy(*arguments)

    monkeypatch.setattr(gpu, "cudaMemcpyAsync", collected)
    made = buffer([1, 2])
    assert not gpu.pinned
    assert made.numpy().tolist() == [1, 2]


def test_rows_are_gathered_on_the_device(gpu: FakeCuda) -> None:
    one = buffer([1, 2, 3, 4, 5, 6])
    copies: list[Copy] = []
    this_gpu().copies = copies
    made = one.gather([2, -1, 0], (3, 2))
    assert {copy.kind for copy in copies} == {"DeviceToDevice"}
    assert made.numpy().tolist() == [[5, 6], [0, 0], [1, 2]]


@pytest.mark.parametrize(("rows", "shape"), [([3], (1, 2)), ([0], (1, 4)), ([0, 1], (1, 2)), ([-2], (1, 2))])
def test_rows_that_a_buffer_does_not_have_are_refused(gpu: FakeCuda, rows: list[int], shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        buffer([1, 2, 3, 4, 5, 6]).gather(rows, shape)


def test_an_array_of_another_type_is_not_written(gpu: FakeCuda) -> None:
    with pytest.raises(UsageError, match=r"float64 of shape \[2\] to write into a buffer; expected float32"):
        buffer([1, 2]).write(np.zeros(2))


def test_want_of_memory_is_a_memory_error_that_names_cudas(gpu: FakeCuda) -> None:
    gpu.capacity = 100
    with pytest.raises(MemoryError, match="cudaMallocAsync reports cudaErrorMemoryAllocation: what the driver says"):
        DeviceBuffer(this_gpu(), (1000,), FLOAT)


def test_any_other_error_is_told_by_name(gpu: FakeCuda) -> None:
    made = buffer([1])
    gpu.broken = Error.cudaErrorIllegalAddress
    with pytest.raises(DeviceError, match="cudaErrorIllegalAddress") as refused:
        made.numpy()
    assert refused.value.status == 1


def test_activations_move_only_to_grow(gpu: FakeCuda) -> None:
    first = this_gpu().activations(1000)
    assert this_gpu().activations(500) == first
    larger = this_gpu().activations(2000)
    assert larger[0] != first[0]
    assert larger[1] == 2000


def test_a_machine_without_a_gpu_is_told_in_one_sentence(gpu: FakeCuda) -> None:
    gpu.devices = 0
    with pytest.raises(PreflightError, match=r"has no CUDA device \(cudaErrorNoDevice") as refused:
        this_gpu()
    assert refused.value.status == 5


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        ((12, 4), r"too old for cuda-python: it runs CUDA 12\.4, expected 13\.5 .*Update the NVIDIA driver"),
        (None, r"this machine has no CUDA device \(cudaErrorInsufficientDriver"),
    ],
)
def test_a_driver_that_is_too_old_is_told_from_one_that_is_not_there(
    gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch, driver: tuple[int, int] | None, says: str
) -> None:
    gpu.devices, gpu.no_device = 0, Error.cudaErrorInsufficientDriver
    monkeypatch.setattr(machine, "_cuda", lambda: (driver, ()))
    with pytest.raises(PreflightError, match=says) as refused:
        this_gpu()
    assert refused.value.status == 5


def test_want_of_cuda_python_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(cuda, "import_module", missing)
    with pytest.raises(PreflightError, match=r"need cuda-python, but it is not installed\. Install it: pip install"):
        cuda.import_cuda()


@pytest.mark.skipif(
    bool(this_machine().gpus) or this_machine().version(CUDA_PYTHON) is None, reason="needs cuda-python and no GPU"
)
def test_the_real_cuda_python_says_that_there_is_no_device() -> None:
    cuda._this_gpu.cache_clear()
    with pytest.raises(PreflightError, match=r"has no CUDA device \(cudaError\w+: [\w\- ]+\)\. Run it on"):
        this_gpu()
