// Pictures and masks as the engines read them: resized, 8-bit, and masks as zeros and ones.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "picture_files/image.h"

namespace latentlink {

// Most pixels of a picture, 8192x8192: unpacked it takes 3 bytes each, and a copy of it as much again.
inline constexpr std::int64_t MAX_PICTURE_PIXELS = std::int64_t{1} << 26;

// Refuse a picture of no pixels, or of more than `MAX_PICTURE_PIXELS`; a file's need not be unpacked for that.
// Throws UsageError: it is one.
void check_pixels(std::string_view title, std::int64_t width, std::int64_t height);

// The same pictures, once they are known to be some, each of a size that `check_pixels` accepts.
// Throws UsageError: there are none, or one is too large.
std::vector<Image> as_list(std::vector<Image> images);

// Pictures as uint8 RGB `[B, height, width, 3]`; other sizes are resampled with Lanczos' filter.
Array pixels(std::span<const Image> images, int width, int height);

// Masks as float32 `[B, 1, height, width]`: 1 where a mask's luminance is at least half, 0 elsewhere.
Array mask_pixels(std::span<const Image> masks, int width, int height);

}  // namespace latentlink
