#include "picture_files/image.h"

#include <stdexcept>

namespace latentlink {

Image Image::of(const Array& pixels) {
    Shape shape = pixels.shape();
    if (shape.size() == 2) shape.push_back(1);
    if (pixels.dtype() != DType::uint8 || shape.size() != 3 || (shape[2] != 1 && shape[2] != 3)) {
        throw std::invalid_argument("a picture is uint8 [H, W, 3], or [H, W, 1] if it is grey");
    }
    return {pixels.reshaped(shape)};
}

Image Image::rgb() const {
    if (channels() == 3) return *this;
    Array made(DType::uint8, {height(), width(), 3});
    auto into = made.as<std::uint8_t>().begin();
    for (const std::uint8_t grey : pixels.as<std::uint8_t>()) into = std::fill_n(into, 3, grey);
    return {made};
}

Image Image::grey() const {
    if (channels() == 1) return *this;
    Array made(DType::uint8, {height(), width(), 1});
    auto from = pixels.as<std::uint8_t>().begin();
    for (std::uint8_t& grey : made.as<std::uint8_t>()) {
        // Weights of ITU-R 601 as multiples of 2**-16, rounded to nearest.
        const std::uint32_t sum = 19595u * from[0] + 38470u * from[1] + 7471u * from[2] + 0x8000u;
        grey = static_cast<std::uint8_t>(sum >> 16);
        from += 3;
    }
    return {made};
}

}  // namespace latentlink
