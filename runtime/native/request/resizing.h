// Lanczos' filter in whole numbers, as Pillow computes it.
#pragma once

#include "picture_files/image.h"

namespace latentlink {

// The picture in another size, both sides above 0; the same one if it has that size. Every pixel is the one that
// `resize` of Pillow with `LANCZOS` gives: weights of three lobes in fixed point, along the width first.
Image resized(const Image& image, std::int64_t width, std::int64_t height);

}  // namespace latentlink
