#include "sessions/fake_driver.h"

#include <cstdlib>
#include <cstring>

namespace latentlink {

namespace {

CudaStatus told(const char* name) { return fake_gpu().fails == name ? fake_gpu().status : 0; }

void* host(CudaPointer pointer) { return reinterpret_cast<void*>(pointer); }

CudaStatus copy(void* to, const void* from, std::size_t size) {
    ++fake_gpu().copies;
    std::memcpy(to, from, size);
    return told("cuMemcpy");
}

template <typename Handle>
Handle handle(int number) {
    return reinterpret_cast<Handle>(static_cast<std::uintptr_t>(number));
}

}  // namespace

FakeGpu& fake_gpu() {
    static FakeGpu gpu;
    return gpu;
}

CudaDriver fake_driver() {
    fake_gpu() = {};
    return {
        .Init = [](unsigned) { return told("cuInit"); },
        .DeviceGetCount = [](int* count) { return *count = fake_gpu().devices, 0; },
        .DeviceGet = [](CudaDevice* device, int) { return *device = 0; },
        .DevicePrimaryCtxRetain = [](CudaContext* made, CudaDevice) { return *made = handle<CudaContext>(1), 0; },
        .CtxSetCurrent = [](CudaContext) { return 0; },
        .GetErrorName = [](CudaStatus, const char** text) { return *text = "CUDA_ERROR_FAKE", 0; },
        .GetErrorString = [](CudaStatus, const char** text) { return *text = "it is not real", 0; },
        .StreamCreate = [](CudaStream* made, unsigned) { return *made = handle<CudaStream>(1), 0; },
        .StreamSynchronize = [](CudaStream) { return told("cuStreamSynchronize"); },
        .DeviceGetDefaultMemPool = [](CudaMemoryPool* made,
                                      CudaDevice) { return *made = handle<CudaMemoryPool>(1), 0; },
        .MemPoolSetAttribute =
            [](CudaMemoryPool, int attribute, void* value) {
                if (attribute == 4) fake_gpu().threshold = *static_cast<std::uint64_t*>(value);
                return 0;
            },
        .MemPoolTrimTo = [](CudaMemoryPool, std::size_t) { return ++fake_gpu().trims, 0; },
        .MemAllocAsync =
            [](CudaPointer* made, std::size_t size, CudaStream) {
                if (const CudaStatus status = told("cuMemAllocAsync")) return status;
                *made = reinterpret_cast<CudaPointer>(std::malloc(size));
                fake_gpu().memory[*made] = size;
                return 0;
            },
        .MemFreeAsync =
            [](CudaPointer pointer, CudaStream) {
                std::free(host(pointer));
                return fake_gpu().memory.erase(pointer) == 1 ? 0 : 1;
            },
        .MemcpyHtoDAsync_v2 = [](CudaPointer to, const void* from, std::size_t size,
                                 CudaStream) { return copy(host(to), from, size); },
        .MemcpyDtoHAsync_v2 = [](void* to, CudaPointer from, std::size_t size,
                                 CudaStream) { return copy(to, host(from), size); },
        .MemcpyDtoDAsync_v2 = [](CudaPointer to, CudaPointer from, std::size_t size,
                                 CudaStream) { return copy(host(to), host(from), size); },
        .MemsetD8Async = [](CudaPointer to, unsigned char value, std::size_t size,
                            CudaStream) { return std::memset(host(to), value, size), 0; },
        .MemHostAlloc =
            [](void** made, std::size_t size, unsigned) {
                ++fake_gpu().pinned;
                *made = std::malloc(size);
                return 0;
            },
        .MemFreeHost =
            [](void* pointer) {
                --fake_gpu().pinned;
                std::free(pointer);
                return 0;
            },
        .EventCreate = [](CudaEvent* made, unsigned) { return *made = handle<CudaEvent>(++fake_gpu().events), 0; },
        .EventRecord = [](CudaEvent, CudaStream) { return 0; },
        .EventSynchronize = [](CudaEvent) { return 0; },
        .EventElapsedTime = [](float* milliseconds, CudaEvent, CudaEvent) { return *milliseconds = 250.0f, 0; },
        .EventDestroy_v2 = [](CudaEvent) { return --fake_gpu().events, 0; },
        .StreamBeginCapture_v2 = [](CudaStream, int) { return fake_gpu().capturing = true, 0; },
        .StreamEndCapture =
            [](CudaStream, CudaGraph* graph) {
                fake_gpu().capturing = false;
                *graph = handle<CudaGraph>(1);
                ++fake_gpu().graphs;
                return told("cuStreamEndCapture");
            },
        .GraphInstantiateWithFlags =
            [](CudaGraphExec* made, CudaGraph, unsigned long long) {
                ++fake_gpu().graphs;
                return *made = handle<CudaGraphExec>(1), 0;
            },
        .GraphLaunch = [](CudaGraphExec, CudaStream) { return ++fake_gpu().launches, 0; },
        .GraphDestroy = [](CudaGraph) { return --fake_gpu().graphs, 0; },
        .GraphExecDestroy = [](CudaGraphExec) { return --fake_gpu().graphs, 0; },
    };
}

}  // namespace latentlink
