#include "sessions/gpu/cuda.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "vocabulary/errors.h"

namespace latentlink {

namespace {

// Bytes of the largest array that is copied through pinned memory; the host waits for copies of larger ones.
constexpr std::size_t PINNED = 16 << 20;

// Flags and modes of cuda.h.
constexpr unsigned NON_BLOCKING = 1;
constexpr int CAPTURE_OF_THIS_THREAD = 1;
constexpr int RELEASE_THRESHOLD = 4;

std::string error_text(const CudaDriver& driver, CudaStatus status) {
    const char* name = nullptr;
    const char* text = nullptr;
    driver.GetErrorName(status, &name);
    driver.GetErrorString(status, &text);
    return std::string(name == nullptr ? "an unknown error" : name) + ": " + (text == nullptr ? "" : text);
}

PreflightError no_device(const std::string& why) {
    return PreflightError("The engine needs an NVIDIA GPU, and this machine has no CUDA device" + why + ".",
                          "Run it on a machine with an NVIDIA GPU and its driver, or build the bundle for ort-cpu.");
}

}  // namespace

void check_cuda(const CudaDriver& driver, CudaStatus status, const char* function) {
    if (status == 0) return;
    if (status == CUDA_OUT_OF_MEMORY) throw std::bad_alloc();
    throw MachineError(std::string("The GPU failed: ") + function + " reports " + error_text(driver, status) + ".",
                       "Restart the program; if it happens again, look at the driver's log.");
}

// Calls a function of the driver by its name.
#define CALL(name, ...) check_cuda(driver_, driver_.name(__VA_ARGS__), "cu" #name)

Cuda::Cuda(const CudaDriver& driver) : driver_(driver), process_(getpid()), pinned_(driver_) {
    int count = 0;
    CudaStatus status = driver_.Init(0);
    if (status == 0) status = driver_.DeviceGetCount(&count);
    if (status != 0) throw no_device(" (" + error_text(driver_, status) + ")");
    if (count == 0) throw no_device("");
    CudaDevice device = 0;
    CALL(DeviceGet, &device, 0);
    CALL(DevicePrimaryCtxRetain, &context_, device);  // the one of CUDA's runtime
    CALL(CtxSetCurrent, context_);
    CALL(StreamCreate, &stream_, NON_BLOCKING);
    CALL(DeviceGetDefaultMemPool, &pool_, device);
    // by default every synchronisation would give back what is free, and each step would allocate it again
    std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
    CALL(MemPoolSetAttribute, pool_, RELEASE_THRESHOLD, &unlimited);
}

Cuda::Hold::Hold(Cuda& cuda) : held_(cuda.lock_) {
    check_cuda(cuda.driver_, cuda.driver_.CtxSetCurrent(cuda.context_), "cuCtxSetCurrent");
}

CudaPointer Cuda::allocate(std::size_t size) {
    const Hold held(*this);
    CudaPointer made = 0;
    CALL(MemAllocAsync, &made, std::max<std::size_t>(size, 1), stream_);
    return made;
}

void Cuda::free(CudaPointer pointer) noexcept {
    if (getpid() != process_) return;
    try {
        const Hold held(*this);
        driver_.MemFreeAsync(pointer, stream_);
    } catch (...) {  // after a GPU failure every call fails; the failure was reported when it occurred
    }
}

void Cuda::write(CudaPointer to, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    const Hold held(*this);
    if (bytes.size() > PINNED || engines_ == 0) {  // after the last engine, nothing would release the pinned memory
        CALL(MemcpyHtoDAsync_v2, to, bytes.data(), bytes.size(), stream_);
        synchronize();
        return;
    }
    const PinnedRing::Piece& piece = pinned_.hold(bytes);
    CALL(MemcpyHtoDAsync_v2, to, piece.pointer, bytes.size(), stream_);
    CALL(EventRecord, piece.event, stream_);
}

void Cuda::read(std::span<std::byte> bytes, CudaPointer from) {
    const Hold held(*this);
    if (!bytes.empty()) CALL(MemcpyDtoHAsync_v2, bytes.data(), from, bytes.size(), stream_);
    synchronize();
}

void Cuda::move(CudaPointer to, CudaPointer from, std::size_t size) {
    const Hold held(*this);
    if (size != 0) CALL(MemcpyDtoDAsync_v2, to, from, size, stream_);
}

void Cuda::zero(CudaPointer to, std::size_t size) {
    const Hold held(*this);
    if (size != 0) CALL(MemsetD8Async, to, 0, size, stream_);
}

void Cuda::synchronize() {
    const Hold held(*this);
    CALL(StreamSynchronize, stream_);
}

CudaEvent Cuda::mark() {
    const Hold held(*this);
    CudaEvent made = nullptr;
    CALL(EventCreate, &made, 0);
    CALL(EventRecord, made, stream_);
    return made;
}

double Cuda::seconds(CudaEvent begin, CudaEvent end) {
    const Hold held(*this);
    float milliseconds = 0;
    CALL(EventSynchronize, end);
    CALL(EventElapsedTime, &milliseconds, begin, end);
    CALL(EventDestroy_v2, begin);
    CALL(EventDestroy_v2, end);
    return double{milliseconds} / 1000;
}

CudaGraphExec Cuda::capture(const std::function<bool()>& enqueue) {
    const Hold held(*this);  // nobody else frees memory meanwhile, which would become a part of the graph
    CALL(StreamBeginCapture_v2, stream_, CAPTURE_OF_THIS_THREAD);
    CudaGraph graph = nullptr;
    bool well = false;
    try {
        well = enqueue();
    } catch (...) {
        if (driver_.StreamEndCapture(stream_, &graph) == 0 && graph != nullptr) driver_.GraphDestroy(graph);
        throw;
    }
    if (driver_.StreamEndCapture(stream_, &graph) != 0 || graph == nullptr) return nullptr;
    CudaGraphExec made = nullptr;
    const CudaStatus status = well ? driver_.GraphInstantiateWithFlags(&made, graph, 0) : 0;
    driver_.GraphDestroy(graph);
    check_cuda(driver_, status, "cuGraphInstantiateWithFlags");
    return made;
}

void Cuda::launch(CudaGraphExec graph) {
    const Hold held(*this);
    CALL(GraphLaunch, graph, stream_);
}

void Cuda::destroy(CudaGraphExec graph) {
    const Hold held(*this);
    synchronize();
    CALL(GraphExecDestroy, graph);
}

void Cuda::join() {
    const Hold held(*this);
    ++engines_;
}

void Cuda::leave() {
    const Hold held(*this);
    if (--engines_ != 0) return;
    const Activations old = std::exchange(activations_, {});
    synchronize();
    if (old.pointer != 0) free(old.pointer);
    pinned_.close();
    give_back();
}

void Cuda::give_back() {
    synchronize();
    CALL(MemPoolTrimTo, pool_, 0);
}

Cuda::Activations Cuda::activations(std::size_t size) {
    const Hold held(*this);
    if (activations_.size < size) {
        const Activations old = std::exchange(activations_, {});
        if (old.pointer != 0) free(old.pointer);
        activations_ = {allocate(size), size};
    }
    return activations_;
}

Cuda& this_gpu() {
    static Cuda& gpu = *new Cuda(load_cuda_driver());  // at the end of the process the driver may be gone already
    return gpu;
}

}  // namespace latentlink
