// JPEG files: what stands before their pixels, and these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "picture_files/image.h"
#include "picture_files/metadata.h"

namespace latentlink {

// A JPEG file's head.
struct JpegHead {
    std::int64_t width = 0, height = 0;
    int layers = 0;  // 1 grey, 3 colour, 4 CMYK
    Blocks blocks = {};
    bool several = false;  // whether it holds more pictures than the first one (MPO)
};

// Read what stands before the pixels, and check it as Pillow does.
// Throws Damaged.
JpegHead jpeg_head(std::string_view file);

// Unpack the pixels; CMYK is converted to RGB as Pillow does it. The size is to be checked first: `check_pixels`.
// Throws Damaged.
Image jpeg_pixels(std::string_view file, const JpegHead& head);

}  // namespace latentlink
