// Tensors in the memory of a GPU.
#pragma once

#include <cstdint>
#include <memory>

#include "sessions/gpu/cuda.h"
#include "sessions/session.h"

namespace latentlink {

// A tensor in device memory that it owns; its values are undefined at first.
class DeviceBuffer final : public Buffer {
  public:
    // Throws std::bad_alloc: there is not enough memory.
    DeviceBuffer(Cuda& cuda, Shape shape, DType dtype);
    ~DeviceBuffer() override { cuda_.free(pointer_); }
    DeviceBuffer(const DeviceBuffer&) = delete;
    DeviceBuffer& operator=(const DeviceBuffer&) = delete;

    DType dtype() const override { return dtype_; }
    const Shape& shape() const override { return shape_; }
    CudaPointer pointer() const { return pointer_; }

    // Size in bytes.
    std::size_t size() const { return size_; }

    // A copy on the host; waits for what writes the buffer.
    Array host() const override;

    // Replace the values.
    // Throws UsageError: the array is of another shape or dtype.
    void write(const Array& array);

    // Note that the values were replaced by an engine, which writes to the buffer's address.
    void changed() { stamp_ = next_stamp(); }

    // Copy the values of a buffer of equal size.
    void copy_from(const DeviceBuffer& other);

    // The same, unless this buffer has them: for one that nothing else writes.
    void follow(const DeviceBuffer& other);

    // A new buffer of selected rows, copied within the device; see `Session::gather`.
    // Throws UsageError: the buffer does not consist of such rows, or lacks one of them.
    std::shared_ptr<DeviceBuffer> gather(std::span<const int> rows, const Shape& shape) const;

  private:
    static std::uint64_t next_stamp();

    Cuda& cuda_;
    Shape shape_;
    DType dtype_;
    std::size_t size_;
    CudaPointer pointer_;
    std::uint64_t stamp_ = next_stamp();  // another one after every change; no two buffers have the same
    std::uint64_t followed_ = 0;          // of the values that were copied last
};

using DeviceBufferPtr = std::shared_ptr<DeviceBuffer>;

// Buffers by tensor name.
using DeviceBuffers = std::map<std::string, DeviceBufferPtr, std::less<>>;

}  // namespace latentlink
