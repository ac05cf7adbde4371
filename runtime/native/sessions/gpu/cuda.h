// The GPU of this process, over NVIDIA's driver: one stream, memory, copies, events, captured graphs.
//
// Everything runs on one stream, so that each call sees the results of the calls before it, and freed memory is reused
// only after its last use.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "sessions/gpu/cuda_driver.h"
#include "sessions/gpu/pinned.h"

namespace latentlink {

// One GPU and one stream on it. Calls from several threads run one after the other; a `Hold` keeps calls together.
// All of them throw std::bad_alloc: there is not enough memory; MachineError: the GPU failed for another reason.
class Cuda {
  public:
    // Throws PreflightError: there is no GPU.
    explicit Cuda(const CudaDriver& driver);
    Cuda(const Cuda&) = delete;
    Cuda& operator=(const Cuda&) = delete;

    // Other threads wait in the life of this object, in which this thread works on the GPU.
    class Hold {
      public:
        explicit Hold(Cuda& cuda);

      private:
        std::unique_lock<std::recursive_mutex> held_;
    };

    // Other threads wait in the life of this object, in which this thread opens an engine. No other thread captures
    // meanwhile: ONNX Runtime captures in CUDA's global mode, in which an allocation of another thread fails and ends
    // the capture. Freed memory is given back before, as libraries allocate their own.
    class Opening {
      public:
        explicit Opening(Cuda& cuda) : held_(cuda) { cuda.give_back(); }

      private:
        Hold held_;
    };

    // The stream, as libraries of CUDA's runtime take it, too.
    CudaStream stream() const { return stream_; }

    // Allocate device memory, aligned for any use.
    CudaPointer allocate(std::size_t size);

    // Free memory after everything that was enqueued. Nothing is freed in a fork, which has no GPU.
    void free(CudaPointer pointer) noexcept;

    // Copy to the device; the caller may change the bytes on return, even if the copy is still running.
    void write(CudaPointer to, std::span<const std::byte> bytes);

    // Copy from the device, and wait for it.
    void read(std::span<std::byte> bytes, CudaPointer from);

    // Copy within the device.
    void move(CudaPointer to, CudaPointer from, std::size_t size);

    // Set device memory to zeros.
    void zero(CudaPointer to, std::size_t size);

    // Wait until everything that was enqueued is done.
    void synchronize();

    // Record an event at this point of the stream, for `seconds`.
    CudaEvent mark();

    // Seconds between two marks; waits for the second one, and releases both.
    double seconds(CudaEvent begin, CudaEvent end);

    // Capture what `enqueue` enqueues as a graph to launch; nothing of it runs now. `enqueue` returns whether it
    // succeeded. Null if the work cannot be captured. If memory for the graph is missing, the work can still be
    // enqueued.
    CudaGraphExec capture(const std::function<bool()>& enqueue);

    // Enqueue a captured graph.
    void launch(CudaGraphExec graph);

    // Release a captured graph, after everything that was enqueued is done.
    void destroy(CudaGraphExec graph);

    // Add an engine to those that share `activations`; each has to leave once. The last one to leave releases the
    // shared memory.
    void join();
    void leave();

    // Memory that engines use in turn while they run.
    struct Activations {
        CudaPointer pointer = 0;
        std::size_t size = 0;
    };

    // It has at least `size` bytes. It moves if it has to grow; graphs that were captured with another address can no
    // longer be launched.
    Activations activations(std::size_t size);

    // Objects that engines on this GPU share with later ones, by name, such as compiled kernels. For who holds the GPU.
    std::map<std::string, std::shared_ptr<void>, std::less<>> shared;

  private:
    // Give freed memory back to the GPU.
    void give_back();

    CudaDriver driver_;
    std::recursive_mutex lock_;
    pid_t process_;
    CudaContext context_ = nullptr;
    CudaStream stream_ = nullptr;
    CudaMemoryPool pool_ = nullptr;
    PinnedRing pinned_;
    int engines_ = 0;
    Activations activations_;
};

// The first GPU. A process has one object of it, which it never destroys: engines share its stream and its memory.
// Throws PreflightError: there is none, or no driver.
Cuda& this_gpu();

// Throw what stands for an error of the driver, unless `status` is success. `function` is for the message.
// Throws std::bad_alloc, MachineError.
void check_cuda(const CudaDriver& driver, CudaStatus status, const char* function);

}  // namespace latentlink
