// What a caller sees of a run between two rows, and what it may change.
#pragma once

#include <functional>
#include <optional>

#include "vocabulary/array.h"
#include "vocabulary/json.h"

namespace latentlink {

// Progress of a generation. Of several pictures with different steps, the longest run counts.
struct Progress {
    std::size_t row, rows;  // completed rows of the sampler's table, 1 to `rows`; a two-call solver has two a step
    int step, steps;        // the user's step that this row belongs to, 1 to `steps`
    double seconds;         // since the first row began
    std::function<Array()> latents;    // copies the current latent, [B, C, h, w]; valid until the next row
    std::function<Array()> predicted;  // the finished latent that the row's call predicted, float32; likewise. Outside
                                       // of a mask it does not show the picture that is kept
};

// What a run does differently from the next row on.
struct Change {
    // Guidance scale, 0 to 1,000: a number, or a list of one per picture; null leaves it. 1 or less turns
    // classifier-free guidance off, so that the further rows cost half; a run that began without it cannot turn it on.
    Json guidance = {};
    // The latent to go on from, [B, C, h, w] of a floating type, at the noise level of `Progress::latents`.
    std::optional<Array> latents = {};
};

}  // namespace latentlink
