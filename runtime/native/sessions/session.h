// An open engine. One file per backend; `open_session` is the only place that dispatches on a target's name.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vocabulary/array.h"
#include "vocabulary/ports.h"

namespace latentlink {

// A tensor in memory that the engine can read. Two threads do not give the same one to runs at once.
class Buffer {
  public:
    virtual ~Buffer() = default;
    virtual DType dtype() const = 0;
    virtual const Shape& shape() const = 0;

    // The tensor on the host: a copy, or a view if it is in host memory.
    virtual Array host() const = 0;
};

using BufferPtr = std::shared_ptr<Buffer>;

// Buffers by tensor name. In the outputs of a run, a null buffer is made by the engine.
using Buffers = std::map<std::string, BufferPtr, std::less<>>;

// One open engine, which threads may share: runs take turns where the backend needs it, and closing waits for them.
class Session {
  public:
    virtual ~Session() = default;

    // Read back from the engine itself.
    virtual const std::vector<Port>& inputs() const = 0;
    virtual const std::vector<Port>& outputs() const = 0;

    // A buffer with the array's values, independent of the array.
    virtual BufferPtr upload(const Array& array) = 0;

    // A buffer of that shape with any values.
    virtual BufferPtr empty(const Shape& shape, DType dtype) = 0;

    // Replace the buffer's values; shape and dtype stay.
    virtual void write(Buffer& buffer, const Array& array) = 0;

    // Another session's buffer as one that this engine can read: the same buffer if possible, else a copy.
    virtual BufferPtr take(const BufferPtr& buffer) = 0;

    // A new buffer of selected rows of a buffer that this session made or took, read as rows of the size of one row of
    // `shape`; row -1 is zeros. The first size of `shape` is the number of rows.
    virtual BufferPtr gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) = 0;

    // Run once. `inputs` has a buffer for every input; `outputs` has for every output a buffer to write into, or null
    // to have one made. Later calls see its results; it may return before it is done.
    // Throws UsageError: the session is closed, or the engine was not built for a shape; BundleError: the engine
    // failed; Cancelled: the thread's call was cancelled; std::bad_alloc: there is not enough memory for this size.
    virtual Buffers run(const Buffers& inputs, const Buffers& outputs) = 0;

    // Number of the graph's nodes by provider; empty if the engine is not split into nodes.
    virtual std::map<std::string, int> placement() const = 0;

    // Wait for this thread's unfinished runs; the time of all of them is then in its clock.
    virtual void wait() = 0;

    // Release what is kept for the sizes of earlier runs.
    virtual void trim() = 0;

    // Release what runs need; those that have begun end normally, and later ones are refused. Closing twice is
    // harmless; buffers stay valid.
    virtual void close() = 0;
};

using SessionPtr = std::shared_ptr<Session>;

// How an engine is opened.
struct SessionOptions {
    std::optional<int> threads = {};  // for one run on the CPU; none uses all processors that this process may use
    bool low_memory = false;          // save memory rather than speed up later runs of the same size
};

// Open an engine of a target.
// Throws UsageError: the target is unknown, or `threads` is out of range; BundleError: the file is no engine of that
// target, or its tensors carry no symbols; PreflightError: this machine lacks what the target needs, or this library
// was built without it; std::bad_alloc: there is not enough memory for it.
SessionPtr open_session(const std::filesystem::path& path, std::string_view target, const SessionOptions& options = {});

// Whether this library was built with what a target needs.
bool has_target(std::string_view target);

}  // namespace latentlink
