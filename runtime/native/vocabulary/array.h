// Tensors in host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace latentlink {

// Types of a tensor's elements, in the order of DTYPES.
enum class DType { float32, float16, bfloat16, uint8, int32, int64 };

using Shape = std::vector<std::int64_t>;

// float16 and bfloat16 as they lie in memory.
struct Half {
    std::uint16_t bits;
};
struct Brain {
    std::uint16_t bits;
};

template <typename Number>
inline constexpr DType dtype_of = DType::float32;
template <>
inline constexpr DType dtype_of<Half> = DType::float16;
template <>
inline constexpr DType dtype_of<Brain> = DType::bfloat16;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::uint8;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::int32;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::int64;

// `float32`, as in symbols.
std::string_view name_of(DType dtype);

// Bytes of one element.
std::size_t size_of(DType dtype);

// Number of elements.
std::size_t count_of(std::span<const std::int64_t> shape);

// A tensor: rows one after another in memory of its own, which copies share. A copy is cheap; who writes to an array
// must own it, or make its own with `clone`.
class Array {
  public:
    Array() : Array(DType::float32, {0}) {}

    // Filled with zeros.
    Array(DType dtype, Shape shape);

    template <typename Number>
    static Array of(std::span<const Number> numbers, Shape shape) {
        Array made(dtype_of<Number>, std::move(shape));
        const auto into = made.as<Number>();
        if (into.size() != numbers.size()) throw std::invalid_argument("the shape does not hold these numbers");
        std::copy(numbers.begin(), numbers.end(), into.begin());
        return made;
    }

    // A tensor in memory of something else, which lives as long as `owner` does and is aligned for its numbers.
    static Array over(std::shared_ptr<const void> owner, void* data, DType dtype, Shape shape);

    DType dtype() const { return dtype_; }
    const Shape& shape() const { return shape_; }
    std::int64_t size(std::size_t dimension) const { return shape_.at(dimension); }
    std::size_t count() const { return count_of(shape_); }

    std::span<std::byte> bytes() { return {data_, count() * size_of(dtype_)}; }
    std::span<const std::byte> bytes() const { return {data_, count() * size_of(dtype_)}; }

    // The elements; throws std::invalid_argument if they are of another type.
    template <typename Number>
    std::span<Number> as() {
        check(dtype_of<Number>);
        return {reinterpret_cast<Number*>(data_), count()};
    }
    template <typename Number>
    std::span<const Number> as() const {
        check(dtype_of<Number>);
        return {reinterpret_cast<const Number*>(data_), count()};
    }

    Array clone() const;

    // The same memory in another shape of as many elements.
    Array reshaped(Shape shape) const;

    // Row `number` of the first dimension, in the same memory.
    Array row(std::size_t number) const;

    // The numbers in another floating type, rounded to nearest even; the same array if it is that type already.
    Array to(DType dtype) const;

  private:
    void check(DType wanted) const {
        if (wanted != dtype_) throw std::invalid_argument("an array holds numbers of another type");
    }

    DType dtype_;
    Shape shape_;
    std::shared_ptr<std::byte[]> storage_;
    std::byte* data_;
};

// Arrays of one shape and type as the rows of a new one.
Array stack(std::span<const Array> rows);

float to_float(Half half);
float to_float(Brain brain);
Half to_half(float number);    // nearest even; too large is infinite
Brain to_brain(float number);  // nearest even

}  // namespace latentlink
