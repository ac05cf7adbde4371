#include "vocabulary/array.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace latentlink {
namespace {

constexpr std::size_t ALIGNMENT = 64;  // of a cache line, and of what vector instructions like

template <typename Number>
float number_of(Number number) {
    if constexpr (std::is_same_v<Number, float>) {
        return number;
    } else {
        return to_float(number);
    }
}

template <typename From>
void convert(std::span<const From> from, Array& into) {
    switch (into.dtype()) {
        case DType::float32: std::ranges::transform(from, into.as<float>().begin(), number_of<From>); return;
        case DType::float16:
            std::ranges::transform(from, into.as<Half>().begin(), [](From one) { return to_half(number_of(one)); });
            return;
        case DType::bfloat16:
            std::ranges::transform(from, into.as<Brain>().begin(), [](From one) { return to_brain(number_of(one)); });
            return;
        default: throw std::invalid_argument("only floating types are converted");
    }
}

}  // namespace

std::string_view name_of(DType dtype) {
    switch (dtype) {
        case DType::float32: return "float32";
        case DType::float16: return "float16";
        case DType::bfloat16: return "bfloat16";
        case DType::uint8: return "uint8";
        case DType::int32: return "int32";
        case DType::int64: return "int64";
    }
    throw std::invalid_argument("no dtype");
}

std::size_t size_of(DType dtype) {
    switch (dtype) {
        case DType::uint8: return 1;
        case DType::float16:
        case DType::bfloat16: return 2;
        case DType::float32:
        case DType::int32: return 4;
        case DType::int64: return 8;
    }
    throw std::invalid_argument("no dtype");
}

std::size_t count_of(std::span<const std::int64_t> shape) {
    std::size_t count = 1;
    for (const auto size : shape) {
        if (size < 0 || __builtin_mul_overflow(count, static_cast<std::size_t>(size), &count)) {
            throw std::invalid_argument("a shape's sizes are not negative, and their product fits in memory");
        }
    }
    return count;
}

Array::Array(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
    std::size_t bytes;
    if (__builtin_mul_overflow(count_of(shape_), size_of(dtype_), &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT) {
        throw std::bad_alloc();
    }
    auto* memory =
        static_cast<std::byte*>(::operator new[](std::max<std::size_t>(bytes, 1), std::align_val_t{ALIGNMENT}));
    storage_ = std::shared_ptr<std::byte[]>(
        memory, [](std::byte* old) { ::operator delete[](old, std::align_val_t{ALIGNMENT}); });
    data_ = memory;
    std::memset(data_, 0, bytes);
}

Array Array::over(std::shared_ptr<const void> owner, void* data, DType dtype, Shape shape) {
    Array made;
    made.dtype_ = dtype;
    made.shape_ = std::move(shape);
    made.data_ = static_cast<std::byte*>(data);
    made.storage_ = std::shared_ptr<std::byte[]>(std::move(owner), made.data_);
    return made;
}

Array Array::clone() const {
    Array made(dtype_, shape_);
    std::ranges::copy(bytes(), made.data_);
    return made;
}

Array Array::reshaped(Shape shape) const {
    if (count_of(shape) != count()) throw std::invalid_argument("another shape has another number of elements");
    Array made = *this;
    made.shape_ = std::move(shape);
    return made;
}

Array Array::row(std::size_t number) const {
    if (shape_.empty() || number >= static_cast<std::size_t>(shape_[0])) throw std::out_of_range("no such row");
    Array made = *this;
    made.shape_.erase(made.shape_.begin());
    made.data_ += number * count_of(made.shape_) * size_of(dtype_);
    return made;
}

Array Array::to(DType dtype) const {
    if (dtype == dtype_) return *this;
    Array made(dtype, shape_);
    switch (dtype_) {
        case DType::float32: convert(as<float>(), made); break;
        case DType::float16: convert(as<Half>(), made); break;
        case DType::bfloat16: convert(as<Brain>(), made); break;
        default: throw std::invalid_argument("only floating types are converted");
    }
    return made;
}

Array stack(std::span<const Array> rows) {
    const Array& first = rows.front();
    Shape shape = first.shape();
    shape.insert(shape.begin(), static_cast<std::int64_t>(rows.size()));
    Array made(first.dtype(), shape);
    auto into = made.bytes().begin();
    for (const Array& row : rows) {
        if (row.dtype() != first.dtype() || row.shape() != first.shape()) {
            throw std::invalid_argument("rows of one array have one shape and type");
        }
        into = std::ranges::copy(row.bytes(), into).out;
    }
    return made;
}

float to_float(Half half) {
    const std::uint32_t sign = (half.bits & 0x8000u) << 16, exponent = (half.bits >> 10) & 0x1Fu;
    const std::uint32_t fraction = half.bits & 0x3FFu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = static_cast<float>(fraction) * 0x1p-24f;  // below 2**-14: exact
    return sign != 0 ? -small : small;
}

float to_float(Brain brain) { return std::bit_cast<float>(std::uint32_t{brain.bits} << 16); }

Half to_half(float number) {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
    const auto with = [sign](std::uint32_t rest) { return Half{static_cast<std::uint16_t>(sign | rest)}; };
    if (magnitude > 0x7F800000u) return with(0x7E00u);   // not a number
    if (magnitude >= 0x477FF000u) return with(0x7C00u);  // rounds to 2**16 or more
    if (magnitude < 0x38800000u) {                       // below 2**-14: a multiple of 2**-24, rounded by the addition
        const float moved = std::bit_cast<float>(magnitude) + 0.5f;
        return with(std::bit_cast<std::uint32_t>(moved) - 0x3F000000u);
    }
    return with((magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13);
}

Brain to_brain(float number) {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return Brain{static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
    return Brain{static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
}

}  // namespace latentlink
