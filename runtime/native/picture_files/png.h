// PNG files: their chunks, their pixels, and writing them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "picture_files/image.h"
#include "picture_files/metadata.h"

namespace latentlink {

// A PNG file's head: what stands before its pixels.
struct PngHead {
    std::int64_t width, height;
    Blocks blocks;
    std::size_t pixels_at;  // where its first chunk of pixels begins
};

// Throws UsageError, with the reason alone: it is damaged.
PngHead png_head(std::string_view file);

// Unpack the pixels; adds what stands behind them to the head's blocks.
// Throws UsageError, with the reason alone: they are damaged.
Image png_pixels(std::string_view file, PngHead& head);

// The picture as the bytes of a PNG file, with texts by keyword before its pixels: `tEXt`, or `iTXt` where Latin-1
// does not hold them.
std::string png_bytes(const Image& image, std::span<const std::pair<std::string, std::string>> texts);

}  // namespace latentlink
