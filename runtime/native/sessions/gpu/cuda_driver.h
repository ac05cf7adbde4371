// The functions of NVIDIA's driver that sessions on a GPU call, loaded when the first one is opened: this program is
// built without CUDA, and runs on machines without it.
#pragma once

#include <cstddef>

// The types of cuda.h.
struct CUctx_st;
struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;
struct CUmemPoolHandle_st;

namespace latentlink {

using CudaStatus = int;  // 0 for success
using CudaDevice = int;
using CudaPointer = unsigned long long;  // an address in device memory
using CudaContext = CUctx_st*;
using CudaStream = CUstream_st*;
using CudaEvent = CUevent_st*;
using CudaGraph = CUgraph_st*;
using CudaGraphExec = CUgraphExec_st*;
using CudaMemoryPool = CUmemPoolHandle_st*;

inline constexpr CudaStatus CUDA_OUT_OF_MEMORY = 2;

// The functions, by their names in cuda.h without `cu`; those of a newer ABI have the suffix that cuda.h hides.
struct CudaDriver {
    CudaStatus (*Init)(unsigned flags);
    CudaStatus (*DeviceGetCount)(int* count);
    CudaStatus (*DeviceGet)(CudaDevice* device, int ordinal);
    CudaStatus (*DevicePrimaryCtxRetain)(CudaContext* context, CudaDevice device);
    CudaStatus (*CtxSetCurrent)(CudaContext context);
    CudaStatus (*GetErrorName)(CudaStatus status, const char** text);
    CudaStatus (*GetErrorString)(CudaStatus status, const char** text);
    CudaStatus (*StreamCreate)(CudaStream* stream, unsigned flags);
    CudaStatus (*StreamSynchronize)(CudaStream stream);
    CudaStatus (*DeviceGetDefaultMemPool)(CudaMemoryPool* pool, CudaDevice device);
    CudaStatus (*MemPoolSetAttribute)(CudaMemoryPool pool, int attribute, void* value);
    CudaStatus (*MemPoolTrimTo)(CudaMemoryPool pool, std::size_t kept);
    CudaStatus (*MemAllocAsync)(CudaPointer* pointer, std::size_t size, CudaStream stream);
    CudaStatus (*MemFreeAsync)(CudaPointer pointer, CudaStream stream);
    CudaStatus (*MemcpyHtoDAsync_v2)(CudaPointer to, const void* from, std::size_t size, CudaStream stream);
    CudaStatus (*MemcpyDtoHAsync_v2)(void* to, CudaPointer from, std::size_t size, CudaStream stream);
    CudaStatus (*MemcpyDtoDAsync_v2)(CudaPointer to, CudaPointer from, std::size_t size, CudaStream stream);
    CudaStatus (*MemsetD8Async)(CudaPointer to, unsigned char value, std::size_t size, CudaStream stream);
    CudaStatus (*MemHostAlloc)(void** pointer, std::size_t size, unsigned flags);
    CudaStatus (*MemFreeHost)(void* pointer);
    CudaStatus (*EventCreate)(CudaEvent* event, unsigned flags);
    CudaStatus (*EventRecord)(CudaEvent event, CudaStream stream);
    CudaStatus (*EventSynchronize)(CudaEvent event);
    CudaStatus (*EventElapsedTime)(float* milliseconds, CudaEvent begin, CudaEvent end);
    CudaStatus (*EventDestroy_v2)(CudaEvent event);
    CudaStatus (*StreamBeginCapture_v2)(CudaStream stream, int mode);
    CudaStatus (*StreamEndCapture)(CudaStream stream, CudaGraph* graph);
    CudaStatus (*GraphInstantiateWithFlags)(CudaGraphExec* made, CudaGraph graph, unsigned long long flags);
    CudaStatus (*GraphLaunch)(CudaGraphExec graph, CudaStream stream);
    CudaStatus (*GraphDestroy)(CudaGraph graph);
    CudaStatus (*GraphExecDestroy)(CudaGraphExec graph);
};

// Load the driver; it stays loaded.
// Throws PreflightError: there is none, or one before CUDA 11.4.
CudaDriver load_cuda_driver();

}  // namespace latentlink
