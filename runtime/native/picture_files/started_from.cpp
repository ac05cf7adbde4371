#include "picture_files/started_from.h"

#include "request/inputs.h"
#include "vocabulary/sha256.h"

namespace latentlink {

std::vector<StartedFrom> hashes_of(const Inputs& inputs, int count, bool together) {
    StartedFrom all;
    const auto add = [&all](const char* kind, std::vector<std::string> hashes) {
        if (!hashes.empty()) all.emplace_back(kind, std::move(hashes));
    };
    std::vector<std::string> images, masks, latents;
    for (const Image& one : inputs.images) images.push_back(sha256_of(one.rgb().pixels.bytes()));
    for (const Image& one : inputs.masks) masks.push_back(sha256_of(one.grey().pixels.bytes()));
    if (inputs.latents) {
        const Array numbers = inputs.latents->to(DType::float32);
        const auto rows = static_cast<std::size_t>(numbers.size(0));
        for (std::size_t row = 0; row < rows; ++row)
            latents.push_back(sha256_of(std::as_const(numbers).row(row).bytes()));
    }
    add("image", std::move(images));
    add("mask", std::move(masks));
    add("latents", std::move(latents));

    const auto pictures = static_cast<std::size_t>(count);
    if (together) return std::vector<StartedFrom>(pictures, all);
    std::vector<StartedFrom> made(pictures);
    for (std::size_t number = 0; number < pictures; ++number) {
        for (const auto& [kind, hashes] : all) {
            made[number].emplace_back(kind, std::vector{hashes[number * hashes.size() / pictures]});
        }
    }
    return made;
}

}  // namespace latentlink
