#include "sessions/gpu/device_buffer.h"

#include <atomic>
#include <utility>

#include "sessions/host_session.h"

namespace latentlink {

DeviceBuffer::DeviceBuffer(Cuda& cuda, Shape shape, DType dtype)
    : cuda_(cuda), shape_(std::move(shape)), dtype_(dtype), size_(0), pointer_(0) {
    if (__builtin_mul_overflow(count_of(shape_), size_of(dtype_), &size_)) throw std::bad_alloc();
    pointer_ = cuda_.allocate(size_);
}

Array DeviceBuffer::host() const {
    Array made(dtype_, shape_);
    cuda_.read(made.bytes(), pointer_);
    return made;
}

void DeviceBuffer::write(const Array& array) {
    if (array.shape() != shape_ || array.dtype() != dtype_) throw other_values(array, *this);
    cuda_.write(pointer_, array.bytes());
    changed();
}

void DeviceBuffer::copy_from(const DeviceBuffer& other) {
    cuda_.move(pointer_, other.pointer_, size_);
    changed();
}

void DeviceBuffer::follow(const DeviceBuffer& other) {
    if (followed_ == other.stamp_) return;
    copy_from(other);
    followed_ = other.stamp_;
}

std::uint64_t DeviceBuffer::next_stamp() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
}

DeviceBufferPtr DeviceBuffer::gather(std::span<const int> rows, const Shape& shape) const {
    auto made = std::make_shared<DeviceBuffer>(cuda_, shape, dtype_);
    const std::size_t step = rows.empty() ? 0 : made->size_ / rows.size();
    check_rows(*this, size_, rows, shape, step);
    CudaPointer to = made->pointer_;
    for (const int row : rows) {
        if (row < 0) {
            cuda_.zero(to, step);
        } else {
            cuda_.move(to, pointer_ + static_cast<std::size_t>(row) * step, step);
        }
        to += step;
    }
    return made;
}

}  // namespace latentlink
