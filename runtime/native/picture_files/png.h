// PNG files: their chunks, their pixels, and writing them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "picture_files/image.h"
#include "picture_files/metadata.h"

namespace latentlink {

// What a PNG file says beside its pixels.
struct PngHead {
    std::int64_t width = 0, height = 0;
    int depth = 0;                               // bits of a sample: 1, 2, 4, 8 or 16
    int colour = 0;                              // 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha
    bool interlaced = false;                     // by Adam7
    std::string palette = {};                    // three bytes a colour
    Blocks blocks = {};                          // of the chunks that were read so far
    std::size_t pixels_at = 0;                   // where the first chunk of pixels begins; 0 if there is none
    std::size_t text_size = 0;                   // characters of all texts
    std::optional<std::uint32_t> frames = {};    // of an animation
    std::optional<std::uint32_t> sequence = {};  // number of the last frame's chunk
};

// Read what stands before the pixels, and check it as Pillow does.
// Throws Damaged.
PngHead png_head(std::string_view file);

// Unpack the pixels: transparency is dropped, 16 bits of grey are rounded to 8, those of colours are cut. What stands
// behind them is added to the head's blocks. The size is to be checked first: `check_pixels`.
// Throws Damaged.
Image png_pixels(std::string_view file, PngHead& head);

// The picture as the bytes of a PNG file, with texts by keyword before its pixels: `tEXt`, or `iTXt` where Latin-1
// does not hold them.
std::string png_bytes(const Image& image, std::span<const std::pair<std::string, std::string>> texts);

}  // namespace latentlink
