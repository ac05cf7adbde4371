#include "transfers.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "options.h"
#include "quality/agreement.h"
#include "request/limits.h"
#include "request/pictures.h"
#include "vocabulary/checks.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

std::string written(PictureSize size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

LinkError wrong_space(const Latents& latents, const TransferEnd& source, const TransferEnd& destination) {
    const std::string whose = latents.file ? *latents.file + " is" : "these latents are";
    const std::string remedy = latents.space == destination.space
                                   ? destination.name + " reads them as they are: there is nothing to transfer."
                                   : "Take a bundle of space \"" + latents.space.name + "\" as the source.";
    return LinkError(source.name + " decodes latent space \"" + source.space.name + "\" (" + source.space.numbers() +
                         "), but " + whose + " of \"" + latents.space.name + "\" (" + latents.space.numbers() + ").",
                     remedy);
}

// A side that follows from the other one by the proportions.
int in_proportion(int side, int other, int own_other) {
    const double exact = static_cast<double>(std::int64_t{side} * other) / own_other;
    return static_cast<int>(std::clamp(std::nearbyint(exact), 1.0, 2147483647.0));
}

// The requested size; a side that is none follows from the other by the proportions.
PictureSize requested_size(PictureSize own, const TransferOptions& options) {
    const auto side = [](std::string_view name, const std::optional<std::int64_t>& value) {
        return value ? std::optional(whole(name, *value, 1, MAX_SIDE)) : std::nullopt;
    };
    const auto width = side("width", options.width), height = side("height", options.height);
    if (!width && !height) return own;
    if (!height) return {*width, in_proportion(own.height, *width, own.width)};
    if (!width) return {in_proportion(own.width, *height, own.height), *height};
    return {*width, *height};
}

// The picture size to encode: the requested one, or the nearest to it that the destination accepts.
PictureSize size_to_encode(PictureSize own, const TransferOptions& options, const TransferEnd& destination) {
    const int multiple = destination.size_multiple, downscale = destination.space.downscale;
    const std::span<const Engine> engines = destination.whole_engines;
    PictureSize size = requested_size(own, options);
    if (options.fit) {
        size.width = nearest(engines, {"W", "w"}, size.width, multiple, downscale).value_or(size.width);
        size.height = nearest(engines, {"H", "h"}, size.height, multiple, downscale).value_or(size.height);
    }
    if (size.width % multiple != 0 || size.height % multiple != 0) {
        throw UsageError(destination.name + " takes pictures with sides in multiples of " + std::to_string(multiple) +
                             ", and this one is " + written(size) + ".",
                         "Resize it on the way: fit=True takes the nearest size; width and height say one.");
    }
    check_limits(engines, size.width, size.height, std::nullopt, downscale);
    return size;
}

// Pictures of this size, `[B, H, W, 3]`.
Array of_size(std::span<const Array> pictures, PictureSize size) {
    std::vector<Image> images;
    std::ranges::transform(pictures, std::back_inserter(images), Image::of);
    return pixels(images, size.width, size.height);
}

std::vector<Array> rows_of(const Array& batch) {
    std::vector<Array> rows;
    for (std::size_t number = 0; number < static_cast<std::size_t>(batch.size(0)); ++number) {
        rows.push_back(batch.row(number));
    }
    return rows;
}

}  // namespace

TransferResult transfer(const Latents& latents, const TransferEnd& source, const TransferEnd& destination,
                        const TransferOptions& options) {
    if (latents.space != source.space) throw wrong_space(latents, source, destination);
    check_latents(latents, source.space, source.name);
    const std::int64_t scale = source.space.downscale;
    const PictureSize own = {static_cast<int>(latents.array.size(3) * scale),
                             static_cast<int>(latents.array.size(2) * scale)};
    const PictureSize size = size_to_encode(own, options, destination);
    if (source.space == destination.space && size == own) return {.latents = latents};
    if (latents.half_way()) {
        throw UsageError("The latents are half way, and what " + source.name +
                             " decodes from them is noise; expected finished ones.",
                         "Finish them in their own space: generate with init_latents and denoising_start.");
    }
    const Array before = of_size(source.decode(latents), size);
    Latents encoded = destination.encode(rows_of(before));
    const Array after = of_size(destination.decode(encoded), size);
    TransferResult result = {
        .latents = std::move(encoded),
        .psnr = psnr(before, after),
        .decoded_by = source.name,
        .encoded_by = destination.name,
    };
    for (std::size_t number = 0; number < static_cast<std::size_t>(before.size(0)); ++number) {
        result.psnrs.push_back(psnr(before.row(number), after.row(number)));
    }
    if (size != own) result.resized = {own, size};
    return result;
}

}  // namespace latentlink
