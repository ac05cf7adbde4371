// Base of the sessions of all GPU targets: buffers in device memory, and the time of runs by the GPU's clock.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "sessions/clock.h"
#include "sessions/gpu/device_buffer.h"
#include "sessions/shared_session.h"

namespace latentlink {

// What an engine writes, by tensor name.
struct Written {
    Shape shape;
    DType dtype;
};
using WrittenByName = std::map<std::string, Written, std::less<>>;

// dtypes by tensor name.
using DTypes = std::map<std::string, DType, std::less<>>;

// The common part of sessions on a GPU.
class CudaSession : public SharedSession {
  public:
    const std::vector<Port>& inputs() const final { return inputs_; }
    const std::vector<Port>& outputs() const final { return outputs_; }
    BufferPtr upload(const Array& array) final;
    BufferPtr empty(const Shape& shape, DType dtype) final;
    void write(Buffer& buffer, const Array& array) final;
    BufferPtr take(const BufferPtr& buffer) final;
    BufferPtr gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) final;
    void wait() final;

  protected:
    CudaSession(Cuda& cuda, std::string title, std::vector<Port> inputs, std::vector<Port> outputs);

    // Release what the engine holds, once the GPU is done.
    virtual void give_back() = 0;

    // Run once, with a buffer for every input, while this thread holds the GPU. Where a buffer of `outputs` is missing,
    // make it with `complete`.
    virtual DeviceBuffers enqueue(const DeviceBuffers& feeds, const Buffers& outputs) = 0;

    // The buffers to write: those that were given, and new ones of what the engine writes where none is.
    // Throws UsageError: one is of another type or shape; BundleError: the engine has no such outputs.
    DeviceBuffers complete(const Buffers& outputs, const WrittenByName& written) const;

    // In the life of this object, what is enqueued is measured as a run.
    class Timing {
      public:
        explicit Timing(CudaSession& session) : session_(session), begin_(session.cuda.mark()) {}
        ~Timing();
        Timing(const Timing&) = delete;
        Timing& operator=(const Timing&) = delete;

      private:
        CudaSession& session_;
        CudaEvent begin_;
    };

    // dtype of every output.
    const DTypes& writes() const { return writes_; }

    Cuda& cuda;

  private:
    // A run whose time is not added up yet.
    struct Run {
        AccountPtr account;  // of the thread that enqueued it
        CudaEvent begin, end;
    };

    Buffers run_open(const Buffers& inputs, const Buffers& outputs) final;
    void release() final;

    // Wait for the end of the oldest run, and add its time to the thread's.
    void add_oldest();

    // Check that buffers are those of all the engine's tensors, of its types: the engine itself does not check.
    DeviceBuffers check_buffers(std::string_view verb, const DTypes& types, const Buffers& received) const;

    std::vector<Port> inputs_, outputs_;
    DTypes reads_, writes_;
    std::deque<Run> runs_;
};

}  // namespace latentlink
