#include "sessions/gpu/cuda_driver.h"

#include <dlfcn.h>

#include <string>

#include "vocabulary/errors.h"

namespace latentlink {

namespace {

PreflightError no_driver(const char* why) {
    return PreflightError(
        std::string("The engine needs an NVIDIA GPU, and this machine has no CUDA device (") + (why ? why : "") + ").",
        "Run it on a machine with an NVIDIA GPU and its driver, or build the bundle for ort-cpu.");
}

template <typename Function>
void load(void* library, const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    if (function == nullptr) {
        throw PreflightError(std::string("The NVIDIA driver is too old: it has no ") + name + ".",
                             "Update the NVIDIA driver.");
    }
}

}  // namespace

CudaDriver load_cuda_driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw no_driver(dlerror());
    CudaDriver driver;
#define LOAD(name) load(library, "cu" #name, driver.name)
    LOAD(Init);
    LOAD(DeviceGetCount);
    LOAD(DeviceGet);
    LOAD(DevicePrimaryCtxRetain);
    LOAD(CtxSetCurrent);
    LOAD(GetErrorName);
    LOAD(GetErrorString);
    LOAD(StreamCreate);
    LOAD(StreamSynchronize);
    LOAD(DeviceGetDefaultMemPool);
    LOAD(MemPoolSetAttribute);
    LOAD(MemPoolTrimTo);
    LOAD(MemAllocAsync);
    LOAD(MemFreeAsync);
    LOAD(MemcpyHtoDAsync_v2);
    LOAD(MemcpyDtoHAsync_v2);
    LOAD(MemcpyDtoDAsync_v2);
    LOAD(MemsetD8Async);
    LOAD(MemHostAlloc);
    LOAD(MemFreeHost);
    LOAD(EventCreate);
    LOAD(EventRecord);
    LOAD(EventSynchronize);
    LOAD(EventElapsedTime);
    LOAD(EventDestroy_v2);
    LOAD(StreamBeginCapture_v2);
    LOAD(StreamEndCapture);
    LOAD(GraphInstantiateWithFlags);
    LOAD(GraphLaunch);
    LOAD(GraphDestroy);
    LOAD(GraphExecDestroy);
#undef LOAD
    return driver;
}

}  // namespace latentlink
