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
    std::int64_t width, height;
    Blocks blocks;
    bool several = false;  // whether it holds more pictures than the first one (MPO)
};

// Throws UsageError, with the reason alone: it is damaged.
JpegHead jpeg_head(std::string_view file);

// Unpack the pixels; CMYK is converted to RGB as Pillow does it.
// Throws UsageError, with the reason alone: they are damaged.
Image jpeg_pixels(std::string_view file);

}  // namespace latentlink
