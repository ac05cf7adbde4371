#include "request/resizing.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace latentlink {
namespace {

// Weights are whole multiples of 2**-22: 32 bits, less 8 of a pixel and 2 for sums below 0 and above 1.
constexpr int PRECISION = 32 - 8 - 2;
constexpr double LOBES = 3;

double sinc(double x) {
    if (x == 0) return 1;
    x *= std::numbers::pi;
    return std::sin(x) / x;
}

double lanczos(double x) { return -LOBES <= x && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0; }

// What each pixel of a resized line is made of: neighbours in the old line, and their weights.
struct Weights {
    struct Span {
        std::size_t first, count, at;  // first pixel, number of pixels, place of their weights
    };
    std::vector<Span> spans = {};
    std::vector<std::int32_t> numbers = {};
};

// Weights as Pillow makes them: normalized in double precision, then rounded half away from zero.
Weights weights_of(std::int64_t from, std::int64_t to) {
    const double scale = static_cast<double>(static_cast<float>(from)) / static_cast<double>(to);
    const double stretch = std::max(scale, 1.0), support = LOBES * stretch, inverse = 1.0 / stretch;
    Weights made;
    std::vector<double> own;
    for (std::int64_t place = 0; place < to; ++place) {
        const double center = (static_cast<double>(place) + 0.5) * scale;
        const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
        const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(center + support + 0.5), from);
        own.clear();
        double sum = 0;
        for (std::int64_t x = first; x < end; ++x) {
            own.push_back(lanczos((static_cast<double>(x) - center + 0.5) * inverse));
            sum += own.back();
        }
        made.spans.push_back({static_cast<std::size_t>(first), own.size(), made.numbers.size()});
        for (double weight : own) {
            if (sum != 0) weight /= sum;
            weight *= 1 << PRECISION;
            made.numbers.push_back(static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
        }
    }
    return made;
}

std::uint8_t clipped(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> PRECISION, 0, 255)); }

constexpr std::int32_t HALF = 1 << (PRECISION - 1);

template <std::size_t C>
void resize_line(const std::uint8_t* from, const Weights& weights, std::uint8_t* into) {
    for (const auto [first, count, at] : weights.spans) {
        std::array<std::int32_t, C> sums;
        sums.fill(HALF);
        const std::uint8_t* pixel = from + first * C;
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t c = 0; c < C; ++c) sums[c] += *pixel++ * weights.numbers[at + i];
        }
        for (const std::int32_t sum : sums) *into++ = clipped(sum);
    }
}

Array along_width(const Array& pixels, std::int64_t width) {
    Array made(DType::uint8, {pixels.size(0), width, pixels.size(2)});
    const Weights weights = weights_of(pixels.size(1), width);
    const auto step = static_cast<std::size_t>(pixels.size(1) * pixels.size(2));
    const auto made_step = static_cast<std::size_t>(width * pixels.size(2));
    const std::uint8_t* from = pixels.as<std::uint8_t>().data();
    std::uint8_t* into = made.as<std::uint8_t>().data();
    for (std::int64_t y = 0; y < pixels.size(0); ++y, from += step, into += made_step) {
        pixels.size(2) == 3 ? resize_line<3>(from, weights, into) : resize_line<1>(from, weights, into);
    }
    return made;
}

Array along_height(const Array& pixels, std::int64_t height) {
    Array made(DType::uint8, {height, pixels.size(1), pixels.size(2)});
    const Weights weights = weights_of(pixels.size(0), height);
    const auto step = static_cast<std::size_t>(pixels.size(1) * pixels.size(2));
    const std::uint8_t* from = pixels.as<std::uint8_t>().data();
    std::uint8_t* into = made.as<std::uint8_t>().data();
    std::vector<std::int32_t> sums(step);
    for (const auto [first, count, at] : weights.spans) {
        std::ranges::fill(sums, HALF);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint8_t* line = from + (first + i) * step;
            const std::int32_t weight = weights.numbers[at + i];
            for (std::size_t x = 0; x < step; ++x) sums[x] += line[x] * weight;
        }
        into = std::ranges::transform(sums, into, clipped).out;
    }
    return made;
}

}  // namespace

Image resized(const Image& image, std::int64_t width, std::int64_t height) {
    Array pixels = image.pixels;
    if (width != image.width()) pixels = along_width(pixels, width);
    if (height != image.height()) pixels = along_height(pixels, height);
    return {pixels};
}

}  // namespace latentlink
