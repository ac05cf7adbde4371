// Base of the sessions of all CPU targets: buffers in host memory, which all of them share, and runs that are done when
// they return.
#pragma once

#include "sessions/shared_session.h"
#include "vocabulary/errors.h"

namespace latentlink {

// A tensor in host memory.
class HostBuffer final : public Buffer {
  public:
    explicit HostBuffer(Array array) : array_(std::move(array)) {}

    DType dtype() const override { return array_.dtype(); }
    const Shape& shape() const override { return array_.shape(); }

    // A view.
    Array host() const override { return array_; }

    // The memory, to be written.
    std::byte* data() { return array_.bytes().data(); }

  private:
    Array array_;
};

// The common part of sessions on the CPU.
class HostSession : public SharedSession {
  public:
    BufferPtr upload(const Array& array) final;
    BufferPtr empty(const Shape& shape, DType dtype) final;

    // Throws UsageError: the array is of another shape or dtype than the buffer.
    void write(Buffer& buffer, const Array& array) final;
    BufferPtr take(const BufferPtr& buffer) final;

    // Throws UsageError: the buffer does not consist of such rows, or lacks one of them.
    BufferPtr gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) final;

    // Nothing to wait for.
    void wait() final {}

  protected:
    using SharedSession::SharedSession;

    // A buffer of a session on the CPU; each session only gets those that it made or took.
    static HostBuffer& host(const BufferPtr& buffer);
};

// The error of `write`, also on a GPU.
UsageError other_values(const Array& array, const Buffer& buffer);

// The number of rows of `size` bytes that a buffer of `whole` bytes has, if `rows` can be gathered of them as `shape`.
// Throws UsageError: they cannot.
std::size_t check_rows(const Buffer& buffer, std::size_t whole, std::span<const int> rows, const Shape& shape,
                       std::size_t size);

}  // namespace latentlink
