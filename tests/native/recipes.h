// Pictures and latents from a few numbers: what tests/vectors/recipes.py makes.
#pragma once

#include <cstdint>
#include <vector>

#include "vocabulary/array.h"
#include "vocabulary/json.h"

namespace latentlink {

// Numbers without a pattern.
std::vector<std::uint32_t> words(std::uint32_t seed, std::size_t count);

// uint8 `[H, W, 3]`.
Array picture_of(const Json& recipe);

// `[C, h, w]` of the recipe's dtype.
Array latent_of(const Json& recipe);

// The latents of several recipes, `[B, C, h, w]`.
Array latents_of(const Json& recipes);

}  // namespace latentlink
