#include "picture_files/turning.h"

#include <algorithm>

namespace latentlink {

Image turned(const Image& image, int orientation) {
    if (orientation <= 1 || orientation > 8) return image;
    const auto one_of = [orientation](std::initializer_list<int> some) {
        return std::ranges::count(some, orientation) > 0;
    };
    const bool from_right = one_of({2, 3, 7, 8}), from_below = one_of({3, 4, 6, 7}), sideways = orientation >= 5;
    const std::int64_t W = image.width(), H = image.height(), C = image.channels();
    Array made(DType::uint8, sideways ? Shape{W, H, C} : Shape{H, W, C});
    const std::uint8_t* from = image.pixels.as<std::uint8_t>().data();
    std::uint8_t* into = made.as<std::uint8_t>().data();
    for (std::int64_t y = 0; y < made.size(0); ++y) {
        for (std::int64_t x = 0; x < made.size(1); ++x) {
            std::int64_t column = sideways ? y : x, row = sideways ? x : y;
            if (from_right) column = W - 1 - column;
            if (from_below) row = H - 1 - row;
            into = std::copy_n(from + (row * W + column) * C, C, into);
        }
    }
    return {made};
}

}  // namespace latentlink
