#include "request/inputs.h"

#include <algorithm>

#include "request/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Of a picture whose size nobody asked for: the most of a bundle's default size.
constexpr std::int64_t MAX_PIXELS = std::int64_t{1} << 22;

std::vector<Image> own(const std::vector<Image>& listed, std::size_t number, std::size_t count) {
    if (listed.empty()) return {};
    return {listed[number * listed.size() / count]};
}

std::string by(std::int64_t width, std::int64_t height) { return std::to_string(width) + "x" + std::to_string(height); }

// The size in pixels of the picture of latents [B, C, h, w].
std::pair<Json, Json> size_of_latents(const Array& latents, const Json& width, const Json& height, int multiple,
                                      int downscale) {
    const std::int64_t own_width = latents.size(3) * downscale, own_height = latents.size(2) * downscale;
    const std::string size = by(own_width, own_height);
    const auto check_side = [&](const char* name, const Json& given, std::int64_t side) {
        if (!given.is_null() && check(option(name), given).get<std::int64_t>() != side) {
            throw UsageError(std::string(name) + " is " + given.dump() +
                                 ", but the latents to start from are of a picture of " + size + ".",
                             "Leave " + std::string(name) + " out: latents are not resampled.");
        }
        if (side % multiple != 0 || side > MAX_SIDE) {
            throw UsageError("The latents to start from are of a picture of " + size + "; expected sides of at most " +
                             std::to_string(MAX_SIDE) + " in multiples of " + std::to_string(multiple) +
                             ", which this model needs.");
        }
    };
    check_side("width", width, own_width);
    check_side("height", height, own_height);
    return {own_width, own_height};
}

Json rounded(std::int64_t side, int multiple) { return std::max<std::int64_t>(side / multiple, 1) * multiple; }

}  // namespace

Inputs Inputs::of(std::size_t number, std::size_t count) const {
    Inputs one{.images = own(images, number, count), .masks = own(masks, number, count), .latents = {}, .level = level};
    if (latents) {
        Shape shape = latents->shape();
        const std::size_t picture = number * static_cast<std::size_t>(shape[0]) / count;
        shape[0] = 1;
        one.latents = latents->row(picture).reshaped(shape);
    }
    return one;
}

std::pair<Json, Json> size_of(const Inputs& inputs, const Json& width, const Json& height, int multiple,
                              int downscale) {
    std::pair<Json, Json> found{width, height};
    if (inputs.latents) {
        found = size_of_latents(*inputs.latents, width, height, multiple, downscale);
    } else if (!inputs.images.empty()) {
        const Image& first = inputs.images.front();
        if (width.is_null()) found.first = rounded(first.width(), multiple);
        if (height.is_null()) found.second = rounded(first.height(), multiple);
    } else {
        return found;
    }
    const auto& [own_width, own_height] = found;
    const bool whole = own_width.is_number_integer() && own_height.is_number_integer();
    if ((width.is_null() || height.is_null()) && whole &&
        own_width.get<double>() * own_height.get<double>() > static_cast<double>(MAX_PIXELS)) {
        throw UsageError("The run would have the size of what it starts from, " + own_width.dump() + "x" +
                             own_height.dump() + "; expected at most " + std::to_string(MAX_PIXELS) +
                             " pixels, such as 2048x2048, where no size is requested.",
                         "Name the width and the height.");
    }
    return found;
}

}  // namespace latentlink
