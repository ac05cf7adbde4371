// What a run starts from, and the picture size that follows from it.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "request/pictures.h"
#include "samplers/solvers/table.h"
#include "vocabulary/array.h"
#include "vocabulary/json.h"

namespace latentlink {

// What a run starts from.
struct Inputs {
    std::vector<Image> images = {};     // one, one per prompt, or one per picture of the batch
    std::vector<Image> masks = {};      // white where to paint: one, or one for each of `images`
    std::optional<Array> latents = {};  // z [B, C, h, w], float32: clean, or half-way for a `denoising_start`
    std::optional<Level> level = {};    // noise level of `latents`; none if it is unknown

    // Those of one picture, from 0, of `count` pictures.
    Inputs of(std::size_t number, std::size_t count) const;
};

// Picture width and height: the requested ones, else the size of the inputs; null for a side that is neither. A
// picture's sides are rounded down to multiples that the model accepts. A size that nobody asked for is bounded as a
// bundle's default size is: a photograph of 50 megapixels would take the machine's memory. `width` and `height` are
// as the user gave them, null if not; `multiple` in pixels; `downscale` in pixels per latent element.
// Throws UsageError: the latents have another size than requested, or one that the model does not accept; or the inputs
// are larger than a bundle's default size may be, and no size was requested.
std::pair<Json, Json> size_of(const Inputs& inputs, const Json& width, const Json& height, int multiple, int downscale);

}  // namespace latentlink
