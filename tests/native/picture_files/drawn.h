// Pictures for tests.
#pragma once

#include <cstdint>

#include "picture_files/image.h"

namespace latentlink {

// A picture of noise: bits 13 to 20 of multiples of a large prime, as tests/vectors/picture_cases.py draws it.
inline Image drawn(std::int64_t width, std::int64_t height, std::int64_t channels) {
    Array pixels(DType::uint8, {height, width, channels});
    std::uint64_t number = 0;
    for (std::uint8_t& pixel : pixels.as<std::uint8_t>()) {
        pixel = static_cast<std::uint8_t>(number >> 13);
        number += 2654435761;
    }
    return Image::of(pixels);
}

}  // namespace latentlink
