#include "sessions/host_session.h"

#include <algorithm>
#include <cstring>

#include "sessions/readback.h"

namespace latentlink {

BufferPtr HostSession::upload(const Array& array) { return std::make_shared<HostBuffer>(array.clone()); }

BufferPtr HostSession::empty(const Shape& shape, DType dtype) {
    return std::make_shared<HostBuffer>(Array(dtype, shape));
}

void HostSession::write(Buffer& buffer, const Array& array) {
    if (array.shape() != buffer.shape() || array.dtype() != buffer.dtype()) throw other_values(array, buffer);
    std::ranges::copy(array.bytes(), static_cast<HostBuffer&>(buffer).data());
}

BufferPtr HostSession::take(const BufferPtr& buffer) {
    if (std::dynamic_pointer_cast<HostBuffer>(buffer)) return buffer;
    return std::make_shared<HostBuffer>(buffer->host());
}

BufferPtr HostSession::gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) {
    const Array from = buffer->host();
    Array made(from.dtype(), shape);
    const std::size_t size = rows.empty() ? 0 : made.bytes().size() / rows.size();
    check_rows(*buffer, from.bytes().size(), rows, shape, size);
    auto into = made.bytes();
    for (const int row : rows) {
        if (row >= 0 && size != 0) std::memcpy(into.data(), &from.bytes()[static_cast<std::size_t>(row) * size], size);
        into = into.subspan(size);
    }
    return std::make_shared<HostBuffer>(std::move(made));
}

HostBuffer& HostSession::host(const BufferPtr& buffer) {
    auto* found = dynamic_cast<HostBuffer*>(buffer.get());
    if (found == nullptr) throw std::invalid_argument("a session only reads buffers that it made or took");
    return *found;
}

UsageError other_values(const Array& array, const Buffer& buffer) {
    return UsageError("Received " + std::string(name_of(array.dtype())) + " of shape " + shown_shape(array.shape()) +
                      " to write into a buffer; expected " + std::string(name_of(buffer.dtype())) + " of shape " +
                      shown_shape(buffer.shape()) + ".");
}

std::size_t check_rows(const Buffer& buffer, std::size_t whole, std::span<const int> rows, const Shape& shape,
                       std::size_t size) {
    const std::size_t unit = std::max<std::size_t>(size, 1), count = whole / unit;
    const auto is_there = [count](int row) { return row == -1 || (row >= 0 && static_cast<std::size_t>(row) < count); };
    const bool fits = whole % unit == 0 && !shape.empty() && shape[0] == static_cast<std::int64_t>(rows.size());
    if (!fits || !std::ranges::all_of(rows, is_there)) {
        const std::vector<std::int64_t> numbers(rows.begin(), rows.end());
        throw UsageError("A buffer of shape " + shown_shape(buffer.shape()) + " has no rows " + shown_shape(numbers) +
                         " to make " + shown_shape(shape) + " of; expected rows of equal size, -1 to " +
                         std::to_string(static_cast<std::int64_t>(count) - 1) + ".");
    }
    return count;
}

}  // namespace latentlink
