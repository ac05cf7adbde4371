#include "request/pictures.h"

#include <algorithm>
#include <string>

#include "request/resizing.h"
#include "vocabulary/errors.h"

namespace latentlink {
namespace {

constexpr std::uint8_t HALF_WHITE = 128;

}  // namespace

void check_pixels(std::string_view title, std::int64_t width, std::int64_t height) {
    const std::string has = std::string(title) + " has " + std::to_string(width) + "x" + std::to_string(height);
    if (width <= 0 || height <= 0) throw UsageError(has + " pixels; expected at least one.");
    if (width > MAX_PICTURE_PIXELS / height) {
        throw UsageError(
            has + " pixels; expected at most " + std::to_string(MAX_PICTURE_PIXELS) + ", such as 8192x8192.",
            "Make it smaller first.");
    }
}

std::vector<Image> as_list(std::vector<Image> images) {
    if (images.empty()) throw UsageError("Received no picture; expected one, or several of them.");
    for (const Image& image : images) check_pixels("The picture", image.width(), image.height());
    return images;
}

Array pixels(std::span<const Image> images, int width, int height) {
    Array made(DType::uint8, {static_cast<std::int64_t>(images.size()), height, width, 3});
    auto into = made.as<std::uint8_t>().begin();
    for (const Image& image : images) {
        const Image own = resized(image.rgb(), width, height);
        into = std::ranges::copy(own.pixels.as<std::uint8_t>(), into).out;
    }
    return made;
}

Array mask_pixels(std::span<const Image> masks, int width, int height) {
    Array made(DType::float32, {static_cast<std::int64_t>(masks.size()), 1, height, width});
    auto into = made.as<float>().begin();
    for (const Image& mask : masks) {
        const Image own = resized(mask.grey(), width, height);
        into = std::ranges::transform(own.pixels.as<std::uint8_t>(), into, [](std::uint8_t grey) {
                   return grey >= HALF_WHITE ? 1.0F : 0.0F;
               }).out;
    }
    return made;
}

}  // namespace latentlink
