// A picture in memory.
#pragma once

#include <cstdint>

#include "vocabulary/array.h"

namespace latentlink {

// 8-bit pixels, row by row: sRGB colours, or grey.
struct Image {
    Array pixels;  // uint8 `[H, W, 3]`, or `[H, W, 1]` of a grey picture

    // A picture of these pixels; a grey one may have the shape `[H, W]`. The memory is shared with the array.
    // Throws std::invalid_argument: they are of another type or shape.
    static Image of(const Array& pixels);

    std::int64_t width() const { return pixels.size(1); }
    std::int64_t height() const { return pixels.size(0); }
    std::int64_t channels() const { return pixels.size(2); }

    // The same picture in colour: the same memory if it is in colour already.
    Image rgb() const;

    // Its luminance by the weights of ITU-R 601, as Pillow rounds it; the same memory if it is grey already.
    Image grey() const;
};

}  // namespace latentlink
