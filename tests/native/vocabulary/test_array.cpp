// Arrays, and numbers in half precision: numpy's, bit by bit.

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "../vectors.h"
#include "vocabulary/array.h"
#include "vocabulary/sha256.h"

using namespace latentlink;

namespace {

template <typename Number>
std::string digest(const std::vector<Number>& numbers) {
    return sha256_of(std::as_bytes(std::span(numbers)));
}

}  // namespace

TEST_CASE("all halves are the floats that numpy makes of them, and back") {
    std::vector<float> floats;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        const Half half{static_cast<std::uint16_t>(bits)};
        const float number = to_float(half);
        floats.push_back(std::isnan(number) ? 0 : number);
        if (std::isnan(number)) {
            CHECK(std::isnan(to_float(to_half(number))));
        } else {
            CHECK(to_half(number).bits == bits);
        }
        const float brain = to_float(Brain{static_cast<std::uint16_t>(bits)});
        if (std::isnan(brain)) {
            CHECK(std::isnan(to_float(to_brain(brain))));
        } else {
            CHECK(to_brain(brain).bits == bits);
        }
    }
    CHECK(digest(floats) == read_json("vocabulary.json").at("halves").at("half_to_float").get<std::string>());
}

TEST_CASE("a million floats are rounded to halves and bfloat16 as numpy does") {
    std::vector<std::uint16_t> halves, brains;
    for (std::uint32_t i = 0; i < 1u << 20; ++i) {
        const auto number = std::bit_cast<float>(i * 2654435761u);
        const float plain = std::isnan(number) ? 0 : number;
        halves.push_back(to_half(plain).bits);
        brains.push_back(to_brain(plain).bits);
    }
    const Json expected = read_json("vocabulary.json").at("halves");
    CHECK(digest(halves) == expected.at("float_to_half").get<std::string>());
    CHECK(digest(brains) == expected.at("float_to_brain").get<std::string>());
}

TEST_CASE("copies share memory, clones do not") {
    Array one = Array::of<float>(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2});
    Array copy = one, clone = one.clone();
    one.as<float>()[0] = 7;
    CHECK(copy.as<float>()[0] == 7);
    CHECK(clone.as<float>()[0] == 1);
    CHECK(one.row(2).as<float>()[1] == 6);
    CHECK(one.row(2).shape() == Shape{2});
    CHECK(one.reshaped({6}).size(0) == 6);
    CHECK_THROWS_AS(one.reshaped({5}), std::invalid_argument);
    CHECK_THROWS_AS(one.row(3), std::out_of_range);
    CHECK_THROWS_AS(one.as<std::int32_t>(), std::invalid_argument);
    CHECK_THROWS_AS(Array::of<float>(std::vector<float>{1}, {2}), std::invalid_argument);
}

TEST_CASE("a shape beyond memory is refused before anything is made") {
    constexpr std::int64_t HUGE_SIZE = std::int64_t{1} << 40;
    CHECK_THROWS_AS(Array(DType::float32, {HUGE_SIZE, HUGE_SIZE}), std::invalid_argument);
    CHECK_THROWS_AS(Array(DType::float32, {-1}), std::invalid_argument);
    CHECK_THROWS_AS(Array(DType::int64, {std::int64_t{1} << 61}), std::bad_alloc);
    CHECK(Array(DType::float32, {HUGE_SIZE, 0}).count() == 0);
}

TEST_CASE("numbers are converted between floating types alone") {
    const Array floats = Array::of<float>(std::vector<float>{1, 65519, 65520, 1e-8F}, {4});
    const Array halves = floats.to(DType::float16);
    CHECK(to_float(halves.as<Half>()[1]) == 65504);
    CHECK(std::isinf(to_float(halves.as<Half>()[2])));
    CHECK(halves.to(DType::bfloat16).to(DType::float32).as<float>()[0] == 1);
    CHECK(floats.to(DType::float32).as<float>().data() == floats.as<float>().data());
    CHECK_THROWS_AS(floats.to(DType::int32), std::invalid_argument);
    CHECK_THROWS_AS(Array(DType::uint8, {1}).to(DType::float32), std::invalid_argument);
}

TEST_CASE("arrays of one kind are stacked") {
    const Array one = Array::of<float>(std::vector<float>{1, 2}, {2}),
                other = Array::of<float>(std::vector<float>{3, 4}, {2});
    const Array both = stack(std::vector<Array>{one, other});
    CHECK(both.shape() == Shape{2, 2});
    CHECK(both.as<float>()[2] == 3);
    CHECK_THROWS_AS(stack(std::vector<Array>{one, Array(DType::float32, {3})}), std::invalid_argument);
}
